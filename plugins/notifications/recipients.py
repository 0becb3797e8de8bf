"""From `may:scada.alarms.notify` to people."""

import re
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from hub import Ctx, Invalid
from plugins.identity import User, users_by_id, users_who_may, users_with_role

_FORMS = re.compile(
    r"actor|id:[0-9a-f-]{36}|user:[a-z0-9_.]{1,80}|role:[A-Za-z0-9_.\-/]{1,50}"
    r"|may:(?:[a-z0-9_]+\.){2}[a-z0-9_]+"
)


def check(recipients: Collection[str], field: str) -> None:
    """Refuse what names nobody."""
    if not 1 <= len(recipients) <= 50:
        raise Invalid(f"{field}: name 1 to 50 recipients", field=field)
    for said in recipients:
        if not _FORMS.fullmatch(said) or (said.startswith("id:") and _uuid(said[3:]) is None):
            raise Invalid(
                f"{field}: {said[:80]!r} names nobody: role:<code>, may:<permission>, id:<user>, "
                "user:<field of the event> or actor",
                field=field,
            )


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None


async def people(
    ctx: Ctx, recipients: Collection[str], data: Mapping[str, Any], actor: str = ""
) -> list[User]:
    """The active users who are meant, each once, in the order of their ids."""
    found: dict[UUID, User] = {}
    named: set[UUID] = set()
    for said in recipients:
        kind, _, what = said.partition(":")
        if kind == "may":
            found |= {u.id: u for u in await users_who_may(ctx, what)}
        elif kind == "role":
            found |= {u.id: u for u in await users_with_role(ctx, what)}
        else:
            given = {"actor": actor, "id": what, "user": data.get(what, "")}[kind]
            if (ident := _uuid(given)) is not None:
                named.add(ident)
    found |= {u.id: u for u in await users_by_id(ctx, named - set(found))}
    return [found[ident] for ident in sorted(found)]
