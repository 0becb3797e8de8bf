"""Types, texts, rules and deliveries of a company, and announcements to many."""

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import select, update

from hub import (
    Channel,
    Ctx,
    Invalid,
    NotFound,
    Notice,
    Op,
    Priority,
    Queue,
    RawRequest,
    Reply,
    Resource,
    Run,
    Scope,
    Unauthenticated,
    action,
    job,
    query,
)
from plugins.events import compile_

from . import texts
from .consuming import SETTINGS
from .making import CATALOGUE, tell
from .messages import Cause
from .models import Delivery, Rule, State, Template, TypeChange
from .recipients import check, people
from .shipped import ANNOUNCEMENT

templates = Resource(
    name="templates",
    model=Template,
    subject="admin",
    title="Texts",
    filters=("type_code", "channel", "locale", "is_active"),
    sort=("type_code", "created_at"),
    search=("subject", "body"),
)
company_rules = Resource(
    name="rules",
    model=Rule,
    subject="admin",
    title="Rules",
    filters=("name", "is_active", "priority"),
    sort=("name", "created_at"),
    search=("name", "title"),
)
deliveries = Resource(
    name="deliveries",
    model=Delivery,
    subject="admin",
    title="Deliveries",
    ops=Op.READ,
    filters=(
        "notification_id",
        "user_id",
        "type_code",
        "channel",
        "status",
        "provider",
        "created_at",
    ),
    sort=("-created_at", "sent_at", "next_at"),
)


class Type(msgspec.Struct, kw_only=True):
    """events: what causes it. recipients: who is told."""

    code: str
    name: str
    events: list[str]
    recipients: list[str]
    default_channels: list[Channel]
    priority: Priority
    is_mandatory: bool
    is_active: bool
    title: dict[str, str]
    text: dict[str, str]


class Types(msgspec.Struct):
    items: list[Type]


def _type(ctx: Ctx, notice: Notice, change: TypeChange | None) -> Type:
    default = (change and change.default_channels) or notice.channels
    return Type(
        code=notice.code,
        name=texts.best(notice.name, ctx.caller.language),
        events=list(notice.events),
        recipients=list(notice.to),
        default_channels=[Channel(c) for c in default],
        priority=(change and change.priority) or notice.priority,
        is_mandatory=notice.mandatory,
        is_active=notice.mandatory or change is None or change.is_active,
        title=dict(notice.title),
        text=dict(notice.text),
    )


@query("types")
async def types(ctx: Ctx) -> Types:
    """Return every type of notification with its shipped texts."""
    changes = {c.code: c for c in await ctx.db.scalars(select(TypeChange))}
    known = ctx.get(CATALOGUE).items()
    return Types([_type(ctx, notice, changes.get(code)) for code, notice in known])


class ChangeType(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """null goes back to what ships. A mandatory type cannot be switched off."""

    default_channels: list[Channel] | UnsetType | None = UNSET
    priority: Priority | UnsetType | None = UNSET
    is_active: bool | UnsetType = UNSET


@action("types/{code}", method="PUT", permission="notifications.admin.write")
async def change_type(ctx: Ctx, code: str, body: ChangeType) -> Type:
    """Change by which channels a type goes out, how urgent it is, whether it does at all."""
    notice = _notice(ctx, code)
    if body.is_active is False and notice.mandatory:
        raise Invalid(f"{code} is mandatory: it cannot be switched off", field="is_active")
    row = await ctx.db.scalar(select(TypeChange).where(TypeChange.code == code))
    if row is None:
        row = TypeChange(code=code)
        ctx.db.add(row)
    for name in body.__struct_fields__:
        if (value := getattr(body, name)) is not UNSET:
            setattr(row, name, value)
    await ctx.db.flush()
    return _type(ctx, notice, row)


def _notice(ctx: Ctx, code: str) -> Notice:
    notice = ctx.get(CATALOGUE).get(code)
    if notice is None:
        raise NotFound(f"there is no type {code[:80]!r}", resource="types", identifier=code[:80])
    return notice


def _given(body: Any) -> dict[str, Any]:
    return {f: v for f in body.__struct_fields__ if (v := getattr(body, f)) is not UNSET}


@templates.on(Op.CREATE)
async def write_text(ctx: Ctx, body: Any) -> Template:
    """Replace a shipped text."""
    given = _given(body)
    if given["type_code"] not in ctx.get(CATALOGUE):
        raise Invalid(f"there is no type {given['type_code']!r}", field="type_code")
    row = Template(**given)
    ctx.db.add(row)
    return row


class Preview(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """data: what the places stand for."""

    subject: Annotated[str, Meta(max_length=300)]
    body: Annotated[str, Meta(max_length=10_000)]
    data: dict[str, Any] = {}


class Previewed(msgspec.Struct):
    subject: str
    body: str


@templates.action("preview", item=False, verb="read")
async def preview(ctx: Ctx, body: Preview) -> Previewed:
    """Show a text with its places filled."""
    return Previewed(texts.line(body.subject, body.data), texts.body(body.body, body.data))


@company_rules.on(Op.CREATE)
async def write_rule(ctx: Ctx, body: Any) -> Rule:
    """Have people told of events."""
    given = _given(body)
    _check_rule(given)
    row = Rule(**given)
    ctx.db.add(row)
    return row


@company_rules.on(Op.UPDATE)
async def change_rule(ctx: Ctx, row: Rule, body: Any) -> None:
    """Change of what people are told."""
    given = _given(body)
    _check_rule(given)
    for name, value in given.items():
        setattr(row, name, value)


def _check_rule(given: Mapping[str, Any]) -> None:
    if "recipients" in given:
        check(given["recipients"], "recipients")
    if "event_types" in given and not 1 <= len(given["event_types"]) <= 100:
        raise Invalid(
            "event_types: 1 to 100 names as `invoice.paid` or `invoice.*`", field="event_types"
        )
    if given.get("filter") is not None:
        compile_(given["filter"])
    if "channels" in given and not given["channels"]:
        raise Invalid("channels: at least one", field="channels")


class Announcement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """to: `role:<code>`, `may:<permission>`, `id:<user>`. channels: those of the type when none."""

    to: Annotated[list[str], Meta(min_length=1, max_length=50)]
    title: Annotated[str, Meta(min_length=1, max_length=300)]
    message: Annotated[str, Meta(min_length=1, max_length=10_000)]
    channels: list[Channel] = []
    priority: Priority = Priority.NORMAL
    action_url: Annotated[str, Meta(max_length=500)] = ""


class Started(msgspec.Struct):
    job_id: UUID


@action("send", permission="notifications.admin.send", status=202, idempotent=True)
async def send(ctx: Ctx, body: Announcement) -> Reply[Started]:
    """Tell many people something; the work is done by a job."""
    check(body.to, "to")
    started = await ctx.jobs.start(ctx, announce, body)
    return Reply(body=Started(started), status=202)


@job("notifications_announce", queue=Queue.IO)
async def announce(run: Run, params: Announcement) -> dict[str, int]:
    """Tell many people something."""
    async with run.unit() as ctx:
        said = {"title": params.title, "message": params.message, "action_url": params.action_url}
        cause = Cause(
            key=run.id,
            at=ctx.clock(),
            data=said,
            channels=tuple(params.channels) or None,
            priority=params.priority,
        )
        users = await people(ctx, params.to, {})
        told = await tell(ctx, ctx.get(CATALOGUE)[ANNOUNCEMENT], cause, users)
    return {"people": told}


class Receipt(msgspec.Struct, kw_only=True):
    """reference: the provider's own number of the message."""

    reference: Annotated[str, Meta(min_length=1, max_length=200)]
    status: str


@action("callbacks/{provider}", public=True, scope=Scope.SYSTEM, status=204)
async def receipt(ctx: Ctx, provider: str, raw: RawRequest) -> None:
    """Note that a message arrived or was lost, as its provider says, who signs it (HMAC-SHA256)."""
    known = ctx.get(SETTINGS)
    secrets = [p.secret for p in (*known.sms, *known.whatsapp) if p.name == provider and p.secret]
    shown = raw.headers.get("x-signature", "").removeprefix("sha256=")
    own = [hmac.new(s.encode(), raw.body, sha256).hexdigest() for s in secrets]
    if not any(hmac.compare_digest(o.encode(), shown.encode()) for o in own):
        raise Unauthenticated("the signature is not this provider's")
    try:
        said = msgspec.json.decode(raw.body, type=Receipt)
    except msgspec.MsgspecError as error:
        raise Invalid(f"not a receipt: {error}") from None
    status = {"delivered": State.DELIVERED, "failed": State.FAILED}.get(said.status)
    if status is None:
        return
    await ctx.db.execute(
        update(Delivery)
        .where(
            Delivery.provider == provider,
            Delivery.provider_ref == said.reference,
            Delivery.status == State.SENT,
        )
        .values(status=status, updated_at=ctx.clock()),
        execution_options={"unaudited": True},
    )
