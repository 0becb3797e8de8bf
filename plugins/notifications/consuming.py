"""What happened, and who is told of it: shipped types and the company's own rules."""

import dataclasses
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from sqlalchemy import select

from hub import ConfigError, Ctx, Happened, Invalid, Key, Notice, Plugin, subscribe, uuid7
from plugins.events import compile_
from plugins.identity import ACCOUNTS

from .making import CATALOGUE, tell
from .messages import Cause
from .models import Rule
from .recipients import people
from .settings import NotificationSettings
from .shipped import NOTICES, RULE

log = logging.getLogger(__name__)
SETTINGS = Key[NotificationSettings]("settings of notifications")
PAGES = {"user.verification_requested": "verify", "user.password_reset_requested": "reset"}


def catalogue(plugins: Iterable[Plugin]) -> Mapping[str, Notice]:
    """Every type of notification by its code: ours, and those of plugins."""
    found: dict[str, Notice] = {}
    for notice in (*NOTICES, *(n for p in plugins for n in p.notices)):
        if notice.code in found:
            raise ConfigError(f"two plugins bring the notice {notice.code!r}: rename one")
        found[notice.code] = notice
    return found


def wants(notice: Notice, event: Happened) -> bool:
    return any(fnmatchcase(event.type, p) for p in notice.events) and all(
        str(event.data.get(name)) in values for name, values in notice.where.items()
    )


# All but `notification.*`, which would go round in a circle, and `row.*`, which is every write.
@subscribe("[!nr]*", "n[!o]*", "no[!t]*", "r[!o]*", "ro[!w]*", name="notifications", batch=200)
async def consume(ctx: Ctx, events: Sequence[Happened]) -> None:
    """Tell people of these events."""
    own = await ctx.db.scalars(select(Rule).where(Rule.tenant == ctx.actor.tenant, Rule.is_active))
    rules = [(rule, _test(rule)) for rule in own]
    for event in events:
        for notice in ctx.get(CATALOGUE).values():
            if wants(notice, event):
                users = await people(ctx, notice.to, event.data, event.actor)
                await tell(ctx, notice, _cause(ctx, event), users)
        for rule, test in rules:
            if _matches(rule, event) and test(_envelope(event)):
                await _by_rule(ctx, rule, event)


def _cause(ctx: Ctx, event: Happened) -> Cause:
    sealed, page = event.data.get("sealed_token"), PAGES.get(event.type)
    link = ""
    if sealed and page:
        token = ctx.get(ACCOUNTS).unseal(sealed)
        link = f"{ctx.get(SETTINGS).console_url.rstrip('/')}/{page}/{token}"
    address = str(event.data.get("email", "")) if page == "verify" else ""
    return Cause(key=event.id, at=event.at, data=event.data, secret_link=link, address=address)


def _envelope(event: Happened) -> dict[str, Any]:
    return {"type": event.type, "id": str(event.id), "actor": event.actor, "data": event.data}


def _matches(rule: Rule, event: Happened) -> bool:
    return any(fnmatchcase(event.type, p) for p in rule.event_types)


def _test(rule: Rule) -> Any:
    if rule.filter is None:
        return lambda _: True
    try:
        return compile_(rule.filter)
    except Invalid as error:
        log.warning("rule %s: %s", rule.id, error, extra={"action": "notifications.rule"})
        return lambda _: False


async def _by_rule(ctx: Ctx, rule: Rule, event: Happened) -> None:
    """Each rule tells under a key of its own, so that two rules of one event both do."""
    notice = dataclasses.replace(
        ctx.get(CATALOGUE)[RULE], title={"en": rule.title}, text={"en": rule.message}
    )
    users = await people(ctx, rule.recipients, event.data, event.actor)
    cause = Cause(
        key=UUID(int=event.id.int ^ rule.id.int),
        at=event.at,
        data={**event.data, "type": event.type},
        channels=tuple(rule.channels),
        priority=rule.priority,
        link=rule.action_url or "",
    )
    await tell(ctx, notice, cause, users)


class Bell:
    """Serves `NOTIFIER`."""

    async def tell(
        self,
        ctx: Ctx,
        code: str,
        data: Mapping[str, Any],
        *,
        to: Collection[str] = (),
        key: UUID | None = None,
    ) -> int:
        """See the contract."""
        notice = ctx.get(CATALOGUE)[code]
        users = await people(ctx, to or notice.to, data, ctx.actor.id)
        cause = Cause(key=key or uuid7(), at=ctx.clock(), data=data)
        return await tell(ctx, notice, cause, users)
