"""The messages that leave the house, as they are written into the outbox."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, insert, select, update

from hub import SIGNALS, VAULT, Channel, Ctx, Notice, Priority, uuid7
from plugins.identity import User

from . import rules, texts
from .models import Delivery, Notification, State
from .settings import options
from .texts import Texts, written

TOPIC = "notifications.send"


def place(delivery: UUID) -> str:
    """What the text of a secret message is sealed to."""
    return f"notifications_delivery/{delivery}"


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Why people are told. key: nobody is told twice under it. secret_link: for e-mails alone.

    address: where an e-mail goes instead of to the user's own address.
    """

    key: UUID
    at: dt.datetime
    data: Mapping[str, Any]
    secret_link: str = ""
    address: str = ""
    channels: tuple[Channel, ...] | None = None
    priority: Priority | None = None
    link: str | None = None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One person who is told. id: of his notification. words: what its places stand for."""

    id: UUID
    user: User
    zone: str
    channels: tuple[Channel, ...]
    quiet: tuple[str | None, str | None]
    priority: Priority
    languages: tuple[str, ...]
    words: Mapping[str, Any]


async def enqueue(ctx: Ctx, notice: Notice, cause: Cause, told: Sequence[Told], own: Texts) -> None:
    """Write the messages that leave the house, or let a digest stand for them."""
    known = await options(ctx)
    idents = [t.user.id for t in told]
    crowded = await _crowded(ctx, notice.code, idents, known.digest_after)
    rows = []
    for one in told:
        for channel in one.channels:
            address = _address(one.user, channel, cause)
            if channel is Channel.IN_APP:
                continue
            if one.user.id in crowded and one.priority is not Priority.CRITICAL:
                if await _merge(ctx, notice.code, one.user.id, channel):
                    continue
                rows.append(_digest(ctx, notice, one, channel, address))
                continue
            message = _message(ctx, notice, cause, one, channel, address, own)
            rows.append(_signed(ctx, message, known.mail_footer))
    if rows:
        await ctx.db.execute(insert(Delivery), rows)
        await ctx.get(SIGNALS).tell(ctx, TOPIC)


async def _crowded(ctx: Ctx, code: str, users: Collection[UUID], most: int) -> set[UUID]:
    """Who gets so many of one type that they are gathered."""
    stmt = (
        select(Notification.user_id)
        .where(
            Notification.tenant == ctx.actor.tenant,
            Notification.type_code == code,
            Notification.user_id.in_(users),
            Notification.created_at > ctx.clock() - rules.WINDOW,
        )
        .group_by(Notification.user_id)
        .having(func.count() > most)
    )
    return set(await ctx.db.scalars(stmt, execution_options={"scoped": True}))


async def _merge(ctx: Ctx, code: str, user: UUID, channel: Channel) -> bool:
    """Let the digest that waits stand for one more; whether there is one."""
    done: Any = await ctx.db.execute(
        update(Delivery)
        .where(
            Delivery.tenant == ctx.actor.tenant,
            Delivery.user_id == user,
            Delivery.type_code == code,
            Delivery.channel == channel,
            Delivery.status == State.QUEUED,
            Delivery.merged > 0,
            Delivery.tries == 0,
            Delivery.next_at > ctx.clock(),
        )
        .values(merged=Delivery.merged + 1),
        execution_options={"unaudited": True},
    )
    return bool(done.rowcount)


def _address(user: User, channel: Channel, cause: Cause) -> str:
    if channel is Channel.EMAIL:
        return cause.address or user.email
    return user.phone or ""


def _row(ctx: Ctx, one: Told, channel: Channel, address: str, code: str) -> dict[str, Any]:
    """A message as it begins."""
    now = ctx.clock()
    return {
        "tenant": one.user.tenant,
        "id": uuid7(),
        "revision": 1,
        "created_at": now,
        "updated_at": now,
        "notification_id": one.id,
        "user_id": one.user.id,
        "type_code": code,
        "channel": channel,
        "recipient": rules.masked(address) if address else "",
        "status": State.QUEUED if address else State.SKIPPED,
        "tries": 0,
        "attempts": [] if address else [{"error": "the user has no address for it"}],
        "merged": 0,
        "next_at": rules.not_before(now, one.zone, one.quiet, channel, one.priority)
        if address
        else None,
        "address": address,
        "locale": one.user.locale,
        "sealed": False,
    }


def _message(
    ctx: Ctx,
    notice: Notice,
    cause: Cause,
    one: Told,
    channel: Channel,
    address: str,
    own: Texts,
) -> dict[str, Any]:
    row = _row(ctx, one, channel, address, notice.code)
    words = one.words
    secret = bool(cause.secret_link) and channel is Channel.EMAIL
    if secret:
        words = {**words, "secret_link": cause.secret_link}
    subject, text = written(notice, own, channel, one.languages, words)
    return row | {"subject": subject, "body": text, "sealed": secret}


def _signed(ctx: Ctx, row: dict[str, Any], footer: str) -> dict[str, Any]:
    """The message as it is kept: with the company's footer, and sealed where it is secret."""
    text = row["body"]
    if footer and row["channel"] is Channel.EMAIL:
        text = f"{text}\n\n-- \n{footer}"
    if row["sealed"]:
        text = ctx.get(VAULT).seal(text, place(row["id"]))
    return row | {"body": text}


_MORE = {"en": "More of: {{name}}", "ar": "المزيد من: {{name}}"}
_MORE_TEXT = {
    "en": "{{count}} further messages of this kind are in your notifications.",
    "ar": "{{count}} رسائل أخرى من هذا النوع في إشعاراتك.",
}


def _digest(ctx: Ctx, notice: Notice, one: Told, channel: Channel, address: str) -> dict[str, Any]:
    """A message that stands for all that comes until it is sent."""
    row = _row(ctx, one, channel, address, notice.code)
    name = texts.best(notice.name, *one.languages)
    subject = texts.line(texts.best(_MORE, *one.languages), {"name": name})
    if row["next_at"] is not None:
        row["next_at"] = max(row["next_at"], ctx.clock() + rules.WINDOW)
    text = texts.best(_MORE_TEXT, *one.languages)
    return row | {"subject": subject, "body": text, "merged": 1}
