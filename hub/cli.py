"""The `busbar` command.

Exit codes: 0 done, 1 failed while running, 2 the configuration or the command line is wrong (every
fault is printed with its place), 130 ended by Ctrl-C.
"""

import asyncio
import contextlib
import getpass
import json
import os
import sys
import time
import urllib.error
import urllib.request
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from urllib.parse import quote

import typer

from hub import authors_cli, backup_cli, profiles_cli

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from config import Settings
    from hub.contract.context import UnitOfWork
    from hub.contract.plugin import Role

Files = Annotated[
    list[Path] | None,
    typer.Option("-c", "--config", help="TOML file; may be repeated, the later wins."),
]
Address = Annotated[
    str, typer.Option("--url", envvar="BUSBAR_URL", help="Where the gateway's own API listens.")
]
GATEWAY_URL = "http://127.0.0.1:8000"


def make_app(wanted: str = "") -> typer.Typer:
    """All commands, those of plugins too, unless the one that is wanted is the hub's own."""
    app = typer.Typer(
        name="busbar",
        help="One plugin hub for an electricity utility.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for command in (up, gateway, central, worker, check, version, watch, explain):
        app.command()(command)
    app.command("hash-password")(hash_password)
    profiles_cli.add_commands(app)
    authors_cli.add_commands(app)
    backup_cli.add_commands(app)
    own = {c.name or getattr(c.callback, "__name__", "") for c in app.registered_commands}
    if wanted not in own:
        _plugin_commands(app)
    return app


def main() -> None:
    """Entry point of the installed script."""
    make_app(next(iter(sys.argv[1:]), ""))()


def up(
    config: Files = None,
    simulate: Annotated[bool, typer.Option(help="Add simulated field devices.")] = False,
    meters: Annotated[
        int, typer.Option(min=0, help="Add so many simulated meters on an MQTT broker.")
    ] = 0,
    data: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path("data"),
    port: Annotated[int, typer.Option(help="Of the centre; 0 lets the system choose.")] = 8000,
    gateway_port: Annotated[int, typer.Option(help="Of the gateway's own API.")] = 8001,
) -> None:
    """Run everything on this machine: centre, one gateway and, if wished, a simulated field."""
    from hub.children import ChildFailed
    from hub.up import Plan, run

    with _Told():
        _settings(config or [])
    plan = Plan(
        data=data.absolute(),
        files=tuple(config or ()),
        simulate=simulate,
        meters=meters,
        port=port,
        gateway_port=gateway_port,
    )
    try:
        asyncio.run(run(plan))
    except ChildFailed as e:
        typer.echo(str(e), err=True)
        raise typer.Exit(1) from None


def gateway(config: Files = None) -> None:
    """Run a gateway: talk to field devices, keep their values, execute controls."""
    from hub.contract.plugin import Role

    _run(Role.GATEWAY, config or [])


def central(config: Files = None) -> None:
    """Run the centre: API, console, business modules."""
    from hub.contract.plugin import Role

    _run(Role.CENTRAL, config or [])


def worker(config: Files = None) -> None:
    """Run the centre's background work alone: jobs, schedules, events. Any number may."""
    from hub.contract.plugin import Role

    _run(Role.CENTRAL, config or [], without=("api",))


def check(config: Files = None) -> None:
    """Read the configuration of a gateway, tell every fault, start nothing."""
    from hub.contract.plugin import Role
    from hub.kernel.run import make_hub
    from hub.kernel.service import PLANS

    with _Told():
        plans = make_hub(_settings(config or []), Role.GATEWAY).get(PLANS)
    points = sum(len(p.points) for p in plans)
    typer.echo(f"ok: {len(plans)} channels, {points} points")


def version() -> None:
    """Print the version."""
    typer.echo(f"busbar {installed_version('busbar')}")


def hash_password() -> None:
    """Make the argon2id hash for `api.technician`. Asks for the password, or reads one line."""
    from argon2 import PasswordHasher

    ask = getpass.getpass if sys.stdin.isatty() else input
    password = ask("")
    if len(password) < 8:
        _refuse("too short: at least 8 characters")
    typer.echo(PasswordHasher().hash(password))


def watch(
    url: Address = GATEWAY_URL,
    match: Annotated[str, typer.Argument(help="Show points that contain this.")] = "",
    once: Annotated[bool, typer.Option(help="Print once and end.")] = False,
) -> None:
    """Show a gateway's live values."""
    from rich.console import Console
    from rich.live import Live

    from hub.watch import table

    def rows() -> Any:
        query = f"?match={quote(match)}" if match else ""
        return table(_get(url, f"/api/v1/local/points{query}")["points"])

    if once:
        Console().print(rows())
        return
    with Live(rows(), refresh_per_second=2) as live:
        while True:
            time.sleep(1.0)
            live.update(rows())


def explain(
    point: Annotated[str, typer.Argument(help="A point: device.point")],
    url: Address = GATEWAY_URL,
    layers: Annotated[
        str, typer.Option(help="Of the wire, as its driver names them: link,application; or all.")
    ] = "all",
) -> None:
    """Show one value's way: wire bytes, decode, scale, quality, times."""
    from rich.console import Console

    from hub.watch import story

    wanted = f"?layers={quote(layers)}" if layers != "all" else ""
    Console().print(story(_get(url, f"/api/v1/local/explain/{quote(point)}{wanted}")))


class _Told:
    """Turns a configuration that cannot be used into messages and exit code 2."""

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from config import Faults
        from hub.contract.errors import ConfigError

        if isinstance(error, Faults | ConfigError):
            _refuse(str(error))


@contextlib.asynccontextmanager
async def owner_dsn(settings: "Settings", *, make: bool = False) -> "AsyncIterator[str]":
    """The centre's database for a command: by its DSN, or the embedded one where it was kept.

    make: an embedded one that is not there yet.
    """
    from hub.kernel.database import embedded

    if settings.database.dsn:
        yield settings.database.dsn
        return
    folder = Path(settings.site.runtime_root) / "postgres"
    if not (make or folder.exists()):
        _refuse(f"no database.dsn, and no embedded database in {folder}")
    async with embedded(folder) as dsn:
        yield dsn


@contextlib.asynccontextmanager
async def unit_of_work(files: list[Path]) -> "AsyncIterator[UnitOfWork]":
    """The centre's database for a command, as plugins use it."""
    from hub.kernel.database import Database
    from hub.kernel.uow import Unit

    with _Told():
        settings = _settings(files)
    async with owner_dsn(settings) as dsn, Database(dsn, size=2) as database:
        yield Unit(database)


def _refuse(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(2)


def _settings(files: list[Path]) -> "Settings":
    from config import load

    return load(files, os.environ)


def _run(role: "Role", files: list[Path], without: tuple[str, ...] = ()) -> None:
    from msgspec.structs import replace

    from hub.kernel import log
    from hub.kernel.run import run_role

    with _Told():
        settings = _settings(files)
        plugins = replace(settings.plugins, blocked=(*settings.plugins.blocked, *without))
        settings = replace(settings, plugins=plugins)
        log.setup(settings.log.level, settings.log.format)
        asyncio.run(run_role(role, settings))


def _get(url: str, path: str) -> Any:
    """JSON from a gateway's own API."""
    if not url.startswith(("http://", "https://")):
        _refuse(f"{url}: must begin with http:// or https://")
    try:
        with urllib.request.urlopen(url.rstrip("/") + path, timeout=5) as reply:  # noqa: S310
            return json.load(reply)
    except urllib.error.HTTPError as e:
        body = e.read().decode(errors="replace")
        e.close()
        detail = json.loads(body).get("detail", body) if body.startswith("{") else body
        typer.echo(f"{url}: {detail or e.reason}", err=True)
    except (OSError, ValueError) as e:
        typer.echo(f"{url}: {e}: is the gateway running?", err=True)
    raise typer.Exit(1)


def _plugin_commands(app: typer.Typer) -> None:
    """Let every plugin add its own; one that cannot be loaded is named, the others stay usable."""
    from hub.contract.errors import ConfigError
    from hub.kernel.registry import load

    try:
        _, hooks = load()
    except ConfigError as e:
        typer.echo(f"plugins are not loaded:\n{e}", err=True)
        return
    hooks.hook.hub_cli(app=app)


if __name__ == "__main__":
    main()
