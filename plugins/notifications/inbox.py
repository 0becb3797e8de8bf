"""One's own notifications, and what one wants to be told, and when."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import func, select, update

from hub import Channel, Ctx, Invalid, Op, Priority, Resource, action, query

from . import rules, texts
from .making import CATALOGUE
from .models import Notification, Preference, TypeChange

LATEST = 100

notifications = Resource(
    name="notifications",
    model=Notification,
    root=True,
    title="Notifications",
    ops=Op.READ | Op.DELETE,
    filters=("type_code", "priority", "is_read", "created_at"),
    sort=("-created_at",),
    search=("title", "message"),
)


class Counted(msgspec.Struct):
    total: int
    unread: int


class Marked(msgspec.Struct):
    """How many were unread."""

    marked: int


class Unread(msgspec.Struct):
    """The latest hundred, newest first."""

    items: list[Any]


@notifications.action("unread", item=False, method="GET")
async def unread(ctx: Ctx) -> Unread:
    """Return one's own that are not read yet."""
    stmt = (
        select(Notification)
        .where(~Notification.is_read)
        .order_by(Notification.created_at.desc(), Notification.id.desc())
        .limit(LATEST)
    )
    return Unread([shown(row) for row in await ctx.db.scalars(stmt)])


def shown(row: Notification) -> msgspec.Struct:
    return notifications.read(*(getattr(row, name) for name in notifications.read_fields))


@notifications.action("count", item=False, method="GET")
async def count(ctx: Ctx) -> Counted:
    """Return how many there are, and how many are not read yet."""
    stmt = select(func.count(), func.count().filter(~Notification.is_read)).select_from(
        Notification
    )
    total, new = (await ctx.db.execute(stmt)).one()
    return Counted(total, new)


@notifications.action("read", method="PUT")
async def read(ctx: Ctx, row: Notification) -> Notification:
    """Mark one as read; the time is that of the first time."""
    if not row.is_read:
        row.is_read, row.read_at = True, ctx.clock()
    return row


@notifications.action("read-all", item=False, method="PUT")
async def read_all(ctx: Ctx) -> Marked:
    """Mark all one's own as read."""
    now = ctx.clock()
    done: Any = await ctx.db.execute(
        update(Notification)
        .where(Notification.user_id == UUID(ctx.actor.id), ~Notification.is_read)
        .values(is_read=True, read_at=now, updated_at=now, revision=Notification.revision + 1),
        execution_options={"unaudited": True},
    )
    return Marked(done.rowcount)


Clock = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Choice(msgspec.Struct, kw_only=True):
    """channels: by which one is told of it. chosen: they are one's own choice."""

    type_code: str
    name: str
    priority: Priority
    mandatory: bool
    channels: list[Channel]
    default_channels: list[Channel]
    chosen: bool


class Preferences(msgspec.Struct, kw_only=True):
    """channels: what one chose for all types at once. quiet_from, quiet_to: of one's own time."""

    channels: list[Channel] | None
    quiet_from: str | None
    quiet_to: str | None
    items: list[Choice]


class Choose(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """channels: null goes back to the default."""

    type_code: Annotated[str, Meta(min_length=1, max_length=80)]
    channels: list[Channel] | None


class ChangePreferences(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is absent stays. channels: for all types without a choice of their own."""

    channels: list[Channel] | UnsetType | None = UNSET
    quiet_from: Clock | UnsetType | None = UNSET
    quiet_to: Clock | UnsetType | None = UNSET
    items: Annotated[list[Choose], Meta(max_length=200)] = []


@query("preferences")
async def preferences(ctx: Ctx) -> Preferences:
    """Return by which channels one is told of what, and one's quiet hours."""
    return await _preferences(ctx)


async def _preferences(ctx: Ctx) -> Preferences:
    own = {p.type_code: p for p in await ctx.db.scalars(select(Preference))}
    changes = {c.code: c for c in await ctx.db.scalars(select(TypeChange))}
    general = own.get("*")
    items = []
    for code, notice in ctx.get(CATALOGUE).items():
        change, chosen = changes.get(code), own.get(code)
        default = [Channel(c) for c in (change and change.default_channels) or notice.channels]
        picked = chosen if chosen and chosen.channels is not None else general
        wanted = None if picked is None or picked.channels is None else picked.channels
        items.append(
            Choice(
                type_code=code,
                name=texts.best(notice.name, ctx.caller.language),
                priority=(change and change.priority) or notice.priority,
                mandatory=notice.mandatory,
                channels=list(rules.channels(default, [wanted], mandatory=notice.mandatory)),
                default_channels=default,
                chosen=chosen is not None and chosen.channels is not None,
            )
        )
    return Preferences(
        channels=general.channels if general else None,
        quiet_from=general.quiet_from if general else None,
        quiet_to=general.quiet_to if general else None,
        items=items,
    )


@action("preferences", method="PUT")
async def change_preferences(ctx: Ctx, body: ChangePreferences) -> Preferences:
    """Choose by which channels one is told of what, and when not to be disturbed."""
    known = ctx.get(CATALOGUE)
    for number, wish in enumerate(body.items):
        if wish.type_code not in known:
            place = f"items[{number}].type_code"
            raise Invalid(f"there is no type {wish.type_code!r}", field=place)
        await _choose(ctx, wish.type_code, channels=wish.channels)
    general = {
        name: value
        for name in ("channels", "quiet_from", "quiet_to")
        if (value := getattr(body, name)) is not UNSET
    }
    if general:
        await _choose(ctx, "*", **general)
    await ctx.db.flush()
    return await _preferences(ctx)


async def _choose(ctx: Ctx, code: str, **values: Any) -> None:
    if ctx.actor.kind != "user":
        raise Invalid("only a person has preferences")
    row = await ctx.db.scalar(select(Preference).where(Preference.type_code == code))
    if row is None:
        row = Preference(user_id=UUID(ctx.actor.id), type_code=code)
        ctx.db.add(row)
    for name, value in values.items():
        setattr(row, name, sorted(set(value)) if name == "channels" and value else value)
    await ctx.db.flush()
