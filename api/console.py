"""The web console: its built files, and the descriptions that it draws its screens from."""

import datetime as dt
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web
from sqlalchemy import select

from api.labels import LANGUAGES
from api.metadata import Catalogue, Described, Group
from api.search import Result, Search, search
from hub import Ctx, NotFound, Op, Plugin, query
from hub.kernel import crud
from hub.kernel.app import Hub
from hub.kernel.database import DATABASE
from hub.kernel.outbox import Audit

BUILD = Path(__file__).parent / "static"
MOST_CHANGES = 100
UNBUILT = "The console is not built: run `make console`. The API is at /api/v1, see /openapi.json."

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_FRESH = {"Cache-Control": "no-cache", "Content-Security-Policy": POLICY}
_LASTING = {"Cache-Control": "public, max-age=31536000, immutable"}
_ROOT_FILES = ("manifest.webmanifest", "sw.js", "favicon.svg")


class Config(msgspec.Struct, kw_only=True):
    """What the console must know before anyone signs in."""

    title: str
    version: str
    languages: tuple[str, ...]


class Resources(msgspec.Struct):
    items: list[Described]


class Menu(msgspec.Struct):
    """plugins: all that are loaded; a page of its own needs one of them."""

    items: list[Group]
    plugins: list[str]


class Trail(msgspec.Struct, kw_only=True):
    resource: str
    id: UUID


class Change(msgspec.Struct, kw_only=True):
    """change: field → [old, new]."""

    at: dt.datetime
    actor: str
    actor_kind: str
    action: str
    change: dict[str, Any]


class Changes(msgspec.Struct):
    items: list[Change]


def plugin(hub: Hub) -> Plugin:
    """The console's own endpoints."""
    known = Catalogue(hub.plugins.values())
    site = getattr(hub.settings.site, "name", "Busbar")

    @query("config", public=True)
    async def config(ctx: Ctx) -> Config:
        """Tell title, version and languages."""
        return Config(title=site, version=version("busbar"), languages=LANGUAGES)

    @query("menu")
    async def menu(ctx: Ctx) -> Menu:
        """List what the caller may open."""
        return Menu(known.menu(ctx.actor), known.plugins)

    @query("resources")
    async def resources(ctx: Ctx) -> Resources:
        """Describe the resources that the caller may read."""
        return Resources(known.of(ctx.actor))

    @query("trail")
    async def trail(ctx: Ctx, params: Trail) -> Changes:
        """Return the last changes of one row, the newest first."""
        return Changes(await _changes(ctx, known, params))

    @query("search")
    async def find(ctx: Ctx, params: Search) -> Result:
        """Find rows of all resources by a part of their name or code."""
        return await search(
            hub.get(DATABASE).reader, ctx.actor, known.searchable(ctx.actor), params.q
        )

    actions = (config, menu, resources, trail, find)
    return Plugin(name="console", title="Web console", actions=actions)


async def _changes(ctx: Ctx, known: Catalogue, params: Trail) -> list[Change]:
    res = known.find(params.resource)
    if res is None or Op.GET not in res.ops:
        raise NotFound(f"there is no resource {params.resource}", identifier=params.resource)
    ctx.require(res.permission(Op.GET))
    await crud.get(ctx, res, params.id)
    stmt = (
        select(Audit)
        .where(
            Audit.tenant == ctx.actor.tenant,
            Audit.row == params.id,
            Audit.table == res.model.__tablename__,
        )
        .order_by(Audit.at.desc(), Audit.id.desc())
        .limit(MOST_CHANGES)
    )
    shown = set(res.read_fields)
    return [
        Change(
            at=row.at,
            actor=row.actor,
            actor_kind=row.actor_kind,
            action=row.action,
            change={k: v for k, v in row.change.items() if k in shown},
        )
        for row in await ctx.db.scalars(stmt)
    ]


def add(app: web.Application, build: Path = BUILD) -> None:
    """Serve the build; every address that a person may have bookmarked gets the one page."""
    page = build / "index.html"

    async def shell(_: web.Request) -> web.StreamResponse:
        if not page.is_file():
            return web.Response(status=503, text=UNBUILT)
        return web.FileResponse(page, headers=_FRESH)

    async def asset(request: web.Request) -> web.StreamResponse:
        return _file(build / "static" / request.match_info["name"], _LASTING)

    async def root_file(request: web.Request) -> web.StreamResponse:
        return _file(build / request.path.lstrip("/"), _FRESH)

    app.router.add_get(r"/static/{name:[\w-][\w.-]*}", asset)
    for name in _ROOT_FILES:
        app.router.add_get(f"/{name}", root_file)
    app.router.add_get(r"/{page:(?!api/|health/|static/)[^.]*}", shell)


def _file(path: Path, headers: dict[str, str]) -> web.StreamResponse:
    if not path.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(path, headers=headers)
