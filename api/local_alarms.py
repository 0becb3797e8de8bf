"""Alarms on a gateway's own API: seen, acknowledged and shelved on site, with no centre."""

from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from api.local_body import decoded, json
from api.technician import who
from hub.contract.alarms import Alarm, Mark, Mask
from hub.kernel.alarms import ALARMS, Alarms
from hub.kernel.app import Hub

MINUTE = 60_000_000


class Words(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """by: who stands there, where the sign-in has not told. occurrence: which one was seen; the
    present one when absent."""

    note: Annotated[str, Meta(max_length=1_000)] = ""
    by: Annotated[str, Meta(max_length=100)] = ""
    occurrence: int | None = None


class Shelving(Words, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """minutes: 0 ends it."""

    minutes: Annotated[int, Meta(ge=0, le=43_200)] = 60


def routes(prefix: str, hub: web.AppKey[Hub]) -> list[web.RouteDef]:
    """What `api.local` mounts."""
    pages = Pages(hub)
    return [
        web.get(f"{prefix}/alarms", pages.listed),
        web.post(f"{prefix}/alarms/{{id}}/{{verb:acknowledge|close}}", pages.marked),
        web.post(f"{prefix}/alarms/{{id}}/shelve", pages.shelved),
    ]


class Pages:
    """hub: where the application keeps its hub."""

    def __init__(self, hub: web.AppKey[Hub]) -> None:
        self._hub = hub

    def _alarms(self, request: web.Request) -> Alarms:
        return request.app[self._hub].get(ALARMS)

    async def listed(self, request: web.Request) -> web.Response:
        """All alarms that are not normal, gravest first."""
        known = self._alarms(request)
        shown = [_shown(alarm) for alarm in known.live()]
        return json({"alarms": shown, "masks": list(known.book.masks.values())})

    async def marked(self, request: web.Request) -> web.Response:
        """Acknowledge or close one."""
        words = await decoded(request, Words)
        known, ident = self._alarms(request), request.match_info["id"]
        occurrence = words.occurrence
        if occurrence is None:
            occurrence = known.book.find(ident).occurrence
        mark = Mark(
            at=known.now(), by=who(request, words.by), note=words.note, occurrence=occurrence
        )
        verb = known.close if request.match_info["verb"] == "close" else known.acknowledge
        return json(_shown(verb(ident, mark)))

    async def shelved(self, request: web.Request) -> web.Response:
        """Trouble nobody with this alarm for some minutes."""
        words = await decoded(request, Shelving)
        known = self._alarms(request)
        alarm = known.book.find(request.match_info["id"])
        mask = Mask(
            device=alarm.device,
            point=alarm.point,
            kind=alarm.kind,
            until=known.now() + words.minutes * MINUTE,
            by=who(request, words.by),
            note=words.note,
        )
        known.mask(mask)
        return json(mask)


def _shown(alarm: Alarm) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(alarm)
    return found | {"status": alarm.status}
