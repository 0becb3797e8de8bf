"""Alarms on a gateway's own API: seen, acknowledged and shelved on site, with no centre."""

from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from hub.contract.alarms import Alarm, Mark, Mask
from hub.contract.errors import BadRequest
from hub.kernel.alarms import ALARMS, Alarms
from hub.kernel.app import Hub

TECHNICIAN = "technician"
MOST_BODY = 1 << 16
MINUTE = 60_000_000


class Words(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """by: who stands there, beside the technician's sign-in."""

    note: Annotated[str, Meta(max_length=1_000)] = ""
    by: Annotated[str, Meta(max_length=100)] = ""


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
        return _json({"alarms": shown, "masks": list(known.book.masks.values())})

    async def marked(self, request: web.Request) -> web.Response:
        """Acknowledge or close one."""
        words = await _body(request, Words)
        known, ident = self._alarms(request), request.match_info["id"]
        occurrence = known.book.find(ident).occurrence
        mark = Mark(at=known.now(), by=_who(words), note=words.note, occurrence=occurrence)
        verb = known.close if request.match_info["verb"] == "close" else known.acknowledge
        return _json(_shown(verb(ident, mark)))

    async def shelved(self, request: web.Request) -> web.Response:
        """Trouble nobody with this alarm for some minutes."""
        words = await _body(request, Shelving)
        known = self._alarms(request)
        alarm = known.book.find(request.match_info["id"])
        mask = Mask(
            device=alarm.device,
            point=alarm.point,
            kind=alarm.kind,
            until=known.now() + words.minutes * MINUTE,
            by=_who(words),
            note=words.note,
        )
        known.mask(mask)
        return _json(mask)


def _shown(alarm: Alarm) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(alarm)
    return found | {"status": alarm.status}


def _who(words: Words) -> str:
    return f"{TECHNICIAN} {words.by}".strip()


async def _body(request: web.Request, type_: Any) -> Any:
    if (request.content_length or 0) > MOST_BODY:
        raise BadRequest("the body is too long")
    try:
        return msgspec.json.decode(await request.read() or b"{}", type=type_)
    except msgspec.MsgspecError as error:
        raise BadRequest(str(error)) from None


def _json(body: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")
