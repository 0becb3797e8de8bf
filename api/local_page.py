"""The page of a gateway: for a technician with a laptop and no centre. Files, no build, no host."""

from pathlib import Path

from aiohttp import web

FOLDER = Path(__file__).parent / "page"
BELOW = "/page/"
KINDS = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def is_page(path: str) -> bool:
    """Whether this is the page itself, which holds no value and asks for the sign-in."""
    return path in {"/", "/favicon.ico"} or path.startswith(BELOW)


def routes() -> list[web.RouteDef]:
    """What `api.local` mounts."""
    return [
        web.get("/", _shell),
        web.get("/favicon.ico", _icon),
        web.get(BELOW + r"{name:[a-z][a-z0-9_-]*\.(?:js|css|json|svg)}", _file),
    ]


async def _shell(_: web.Request) -> web.FileResponse:
    return web.FileResponse(FOLDER / "index.html", headers=HEADERS)


async def _icon(_: web.Request) -> web.FileResponse:
    return web.FileResponse(FOLDER / "busbar.svg", headers=HEADERS)


async def _file(request: web.Request) -> web.FileResponse:
    path = FOLDER / request.match_info["name"]
    if not path.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(path, headers=HEADERS | {"Content-Type": KINDS[path.suffix]})
