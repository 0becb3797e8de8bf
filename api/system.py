"""About the API itself: its description, its documentation page, tokens against forged requests."""

import html
import os
from base64 import urlsafe_b64encode
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from importlib.metadata import version
from typing import Any

import msgspec
from aiohttp import web

from api import limits, openapi
from api.request import CSRF_COOKIE, authenticate, caller, csrf_token, reply
from api.state import STATE
from hub import Plugin

_DAY = 86_400
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "code,pre{font:14px/1.4 ui-monospace,monospace}h2{margin-top:2.5rem}"
    "summary{cursor:pointer;padding:.3rem 0}pre{overflow:auto;padding:.8rem;background:#8882}"
    "b{display:inline-block;min-width:4.5rem}@media(prefers-color-scheme:dark)"
    "{body{background:#16181c;color:#e6e6e6}}"
)


def add(app: web.Application, plugins: Collection[Plugin]) -> None:
    document = openapi.document(plugins)
    listed = msgspec.json.encode([_entry(*operation) for operation in _operations(document)])
    served = {
        "/openapi.json": (msgspec.json.encode(document), "application/json"),
        "/docs": (page(document).encode(), "text/html"),
    }
    for path, (body, kind) in served.items():
        app.router.add_get(path, _document(body, kind))
    app.router.add_get("/api/v1/system/apis", _document(listed, "application/json", closed=True))
    app.router.add_get("/api/v1/system/info", _info)
    app.router.add_get("/api/v1/system/csrf-token", _csrf_token)


def _document(
    body: bytes, kind: str, *, closed: bool = False
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve(request: web.Request) -> web.Response:
        if closed or not request.app[STATE].options.open_docs:
            (await authenticate(request)).require("system.docs.read")
        return web.Response(body=body, content_type=kind, charset="utf-8")

    return serve


async def _info(request: web.Request) -> web.Response:
    limits.anonymous(request, caller(request).ip)
    return reply({"name": "Busbar", "version": version("busbar")})


async def _csrf_token(request: web.Request) -> web.Response:
    """A cookie and the header value that has to go with it."""
    limits.anonymous(request, caller(request).ip)
    options = request.app[STATE].options
    cookie = urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
    response = reply({"csrf_token": csrf_token(options.secret, cookie)})
    response.set_cookie(
        CSRF_COOKIE,
        cookie,
        max_age=_DAY,
        httponly=True,
        samesite="Strict",
        secure=options.production or caller(request).secure,
    )
    return response


def _operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def _entry(method: str, path: str, operation: dict[str, Any]) -> dict[str, Any]:
    return {
        "module": operation["tags"][0],
        "method": method,
        "path": path,
        "permission": operation.get("x-permission"),
        "summary": operation["summary"],
    }


def page(document: dict[str, Any]) -> str:
    """The description as a page that needs no script and no other host."""
    modules: dict[str, list[str]] = defaultdict(list)
    for method, path, operation in _operations(document):
        modules[operation["tags"][0]].append(_row(method, path, operation))
    parts = [
        f"<h2>{html.escape(name)}</h2>{''.join(rows)}" for name, rows in sorted(modules.items())
    ]
    about = document["info"]
    title = html.escape(f"{about['title']} {about['version']}")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style><h1>{title}</h1>"
        '<p>The same as <a href="/openapi.json">OpenAPI 3.1</a>.</p>'
        f"{''.join(parts)}</html>"
    )


def _row(method: str, path: str, operation: dict[str, Any]) -> str:
    needs = "public" if operation.get("security") == [] else "any signed-in caller"
    needs = operation.get("x-permission", needs)
    keys = ("parameters", "requestBody", "responses")
    shown = msgspec.json.format(msgspec.json.encode({k: operation.get(k) for k in keys}))
    return (
        f"<details><summary><b>{method}</b> <code>{html.escape(path)}</code> "
        f"{html.escape(operation['summary'])}</summary><p>Needs: {html.escape(needs)}</p>"
        f"<pre>{html.escape(shown.decode())}</pre></details>"
    )
