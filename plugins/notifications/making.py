"""From an event to what each person is told, all in one transaction."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.dialects import postgresql

from hub import SIGNALS, Channel, Ctx, Key, Notice, uuid7
from plugins.identity import Tenant, User

from . import rules, texts
from .events import NotificationCreated
from .messages import Cause, Told, enqueue
from .models import Notification, Preference, Template, TypeChange
from .texts import Texts, written

TOPIC = "notifications.live"
TOLD = 150  # ids in one signal
EVERYBODY = {"scoped": True}  # whoever causes it, others are told: each statement names the tenant
CATALOGUE = Key[Mapping[str, Notice]]("types of notification")


async def tell(ctx: Ctx, notice: Notice, cause: Cause, users: Sequence[User]) -> int:
    """Write notifications and messages for these people; how many had not been told before."""
    change = await _change(ctx, notice.code)
    if not users or (change is not None and not change.is_active and not notice.mandatory):
        return 0
    users = await _fresh(ctx, notice.code, cause, users)
    company = await ctx.db.scalar(select(Tenant).where(Tenant.id == ctx.actor.tenant))
    own = await _templates(ctx, notice.code)
    chosen = await _preferences(ctx, notice.code, [u.id for u in users])
    told = [_told(notice, change, cause, u, company, chosen.get(u.id, {})) for u in users]
    rows = {t.id: _notification(ctx, notice, cause, t, own) for t in told}
    new = await _insert(ctx, list(rows.values()))
    told = [t for t in told if t.id in new]
    await enqueue(ctx, notice, cause, told, own)
    await _announce(ctx, told, rows)
    return len(told)


async def _change(ctx: Ctx, code: str) -> TypeChange | None:
    stmt = select(TypeChange).where(TypeChange.tenant == ctx.actor.tenant, TypeChange.code == code)
    found: TypeChange | None = await ctx.db.scalar(stmt)
    return found


async def _fresh(ctx: Ctx, code: str, cause: Cause, users: Sequence[User]) -> list[User]:
    """Without those who were told the same within the last minutes (`data.dedupe`)."""
    mark = cause.data.get("dedupe")
    if not isinstance(mark, str):
        return list(users)
    stmt = select(Notification.user_id).where(
        Notification.tenant == ctx.actor.tenant,
        Notification.type_code == code,
        Notification.data["dedupe"].astext == mark,
        Notification.created_at > ctx.clock() - rules.WINDOW,
        Notification.user_id.in_([u.id for u in users]),
    )
    known = set(await ctx.db.scalars(stmt, execution_options=EVERYBODY))
    return [u for u in users if u.id not in known]


async def _templates(ctx: Ctx, code: str) -> Texts:
    stmt = select(Template).where(
        Template.tenant == ctx.actor.tenant, Template.type_code == code, Template.is_active
    )
    return {(t.channel, t.locale): t for t in await ctx.db.scalars(stmt)}


async def _preferences(
    ctx: Ctx, code: str, users: Collection[UUID]
) -> dict[UUID, dict[str, Preference]]:
    stmt = select(Preference).where(
        Preference.tenant == ctx.actor.tenant,
        Preference.user_id.in_(users),
        Preference.type_code.in_((code, "*")),
    )
    found: dict[UUID, dict[str, Preference]] = {}
    for row in await ctx.db.scalars(stmt, execution_options=EVERYBODY):
        found.setdefault(row.user_id, {})[row.type_code] = row
    return found


def _told(
    notice: Notice,
    change: TypeChange | None,
    cause: Cause,
    user: User,
    company: Any,
    chosen: Mapping[str, Preference],
) -> Told:
    """What one user is told, by his own choices and the company's."""
    zone = user.timezone or company.timezone
    default = (change.default_channels if change else None) or notice.channels
    choices = [p.channels if (p := chosen.get(k)) else None for k in (notice.code, "*")]
    picked = cause.channels or rules.channels(
        [Channel(c) for c in default],
        [None if c is None else [Channel(x) for x in c] for c in choices],
        mandatory=notice.mandatory,
    )
    general = chosen.get("*")
    return Told(
        id=uuid7(),
        user=user,
        zone=zone,
        channels=picked,
        quiet=(general.quiet_from, general.quiet_to) if general else (None, None),
        priority=cause.priority or (change.priority if change else None) or notice.priority,
        languages=(user.locale, company.default_locale),
        words={
            **_open(cause.data),
            "recipient": user.full_name or user.username or user.email,
            "company": (company.name_ar if user.locale == "ar" else company.name_en)
            or company.name_ar,
            "at": cause.at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M"),
        },
    )


def _open(data: Mapping[str, Any]) -> dict[str, Any]:
    """Without what travels sealed."""
    return {k: v for k, v in data.items() if not k.startswith("sealed")}


def _notification(ctx: Ctx, notice: Notice, cause: Cause, one: Told, own: Texts) -> dict[str, Any]:
    """The row that the user sees; who has switched `in_app` off has it as read."""
    title, message = written(notice, own, Channel.IN_APP, one.languages, one.words)
    link = texts.body(notice.link if cause.link is None else cause.link, one.words)
    seen, now = Channel.IN_APP in one.channels, ctx.clock()
    return {
        "tenant": one.user.tenant,
        "id": one.id,
        "revision": 1,
        "created_at": now,
        "updated_at": now,
        "user_id": one.user.id,
        "type_code": notice.code,
        "priority": one.priority,
        "title": title,
        "message": message,
        "action_url": link[:500] or None,
        "data": _open(cause.data),
        "event_id": cause.key,
        "is_read": not seen,
        "read_at": None if seen else now,
    }


async def _insert(ctx: Ctx, rows: Sequence[Mapping[str, Any]]) -> set[UUID]:
    """Write the notifications of those who were not told before; their ids."""
    if not rows:
        return set()
    stmt = postgresql.insert(Notification).on_conflict_do_nothing().returning(Notification.id)
    return set(await ctx.db.scalars(stmt, [dict(row) for row in rows]))


async def _announce(ctx: Ctx, told: Sequence[Told], rows: Mapping[UUID, Mapping[str, Any]]) -> None:
    """Publish what was written, and wake whoever watches his own."""
    for one in told:
        row = rows[one.id]
        ctx.emit(
            NotificationCreated(
                notification_id=one.id,
                user_id=one.user.id,
                type_code=row["type_code"],
                title=row["title"],
                message=row["message"],
                action_url=row["action_url"],
                action_label=None,
            )
        )
    shown = [t for t in told if Channel.IN_APP in t.channels]
    for start in range(0, len(shown), TOLD):
        idents = ",".join(str(t.id) for t in shown[start : start + TOLD])
        await ctx.get(SIGNALS).tell(ctx, TOPIC, f"{ctx.actor.tenant} {idents}")
