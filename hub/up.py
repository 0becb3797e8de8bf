"""`busbar up`: the centre, one gateway and, if wished, a simulated field on one machine."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from rich.console import Console
from rich.live import Live
from rich.text import Text

from config import load
from hub.children import Child, ChildFailed

GATEWAY = "local"
PATIENCE = {"simulated field": 30.0, "simulated meters": 30.0, "centre": 120.0, "gateway": 30.0}
console = Console(highlight=False)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to start. files: the person's own settings, later ones win.

    meters: simulated ones behind an MQTT broker.
    """

    data: Path
    files: tuple[Path, ...] = ()
    simulate: bool = False
    meters: int = 0
    port: int = 8000
    gateway_port: int = 8001


@dataclass
class Site:
    """The processes of this machine, in the order of starting."""

    plan: Plan
    children: list[Child] = field(default_factory=list)

    async def start(self, name: str, *args: str, **env: str) -> dict[str, Any]:
        """Start one process and wait until it is ready; its facts."""
        log = self.plan.data / "log" / f"{name.replace(' ', '-')}.log"
        child = Child(name, args, log, env)
        self.children.append(child)
        await child.start()
        return await child.ready(PATIENCE[name])

    async def stop(self) -> None:
        """The gateway first: what it holds goes to its buffer, which needs nobody."""
        for child in reversed(self.children):
            await child.stop()


@contextlib.asynccontextmanager
async def site(plan: Plan) -> AsyncIterator[Site]:
    """Make the folders; stop whatever was started when the block ends."""
    (plan.data / "log").mkdir(parents=True, exist_ok=True)
    running = Site(plan)
    try:
        yield running
    finally:
        await running.stop()


def gateway_key(data: Path) -> str:
    """The key that centre and gateway of this machine share; made at the first start."""
    path = data / "gateway.key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32))
    return path.read_text().strip()


def technician(plan: Plan) -> tuple[str, str]:
    """The hash of the password for the gateway's own page, and the password when it is new.

    What one's own settings say goes before it.
    """
    path = plan.data / "technician.hash"
    own = load(plan.files, os.environ).api.technician
    if own or path.exists():
        return own or path.read_text().strip(), ""
    password = secrets.token_urlsafe(9)
    path.touch(mode=0o600)
    path.write_text(PasswordHasher().hash(password))
    return path.read_text(), password


async def step(what: str, work: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    """Show that something starts, and how long it took."""
    began = time.monotonic()
    with console.status(f"starting {what} …"):
        facts = await work
    console.print(f"  [green]✔[/green] {what} [dim]{time.monotonic() - began:.1f} s[/dim]")
    return facts


async def simulate(running: Site) -> list[Path]:
    """Start the field that was asked for; the configurations that read it."""
    plan, files = running.plan, []
    wanted = {
        "simulated field": ["modbus"] if plan.simulate else [],
        "simulated meters": ["acrel", "--meters", str(plan.meters)] if plan.meters else [],
    }
    for name, asked in wanted.items():
        if asked:
            path = plan.data / f"{name.replace(' ', '-')}.toml"
            written = ("--write-config", str(path))
            await step(name, running.start(name, "simulate", *asked, *written))
            files.append(path)
    return files


async def launch(running: Site) -> tuple[dict[str, Any], dict[str, Any]]:
    """Start field, centre and gateway; what the centre and the gateway said of themselves."""
    plan = running.plan
    files = [*plan.files, *await simulate(running)]
    key, own = gateway_key(plan.data), [x for f in plan.files for x in ("-c", str(f))]
    centre = await step(
        "centre",
        running.start(
            "centre",
            "central",
            *own,
            BUSBAR_SITE__RUNTIME_ROOT=str(plan.data / "central"),
            BUSBAR_API__PORT=str(plan.port),
            BUSBAR_PLUGIN__SYNC__GATEWAYS=json.dumps({GATEWAY: key}),
        ),
    )
    hashed, password = technician(plan)
    gateway = await step(
        "gateway",
        running.start(
            "gateway",
            "gateway",
            *(x for f in files for x in ("-c", str(f))),
            BUSBAR_GATEWAY__NAME=GATEWAY,
            BUSBAR_GATEWAY__DATA_DIR=str(plan.data / "gateway"),
            BUSBAR_API__PORT=str(plan.gateway_port),
            BUSBAR_API__TECHNICIAN=hashed,
            BUSBAR_CENTRAL__URL=centre["address"],
            BUSBAR_CENTRAL__KEY=key,
        ),
    )
    return centre, gateway | {"password": password}


def welcome(centre: dict[str, Any], gateway: dict[str, Any], plan: Plan) -> None:
    """Where to go and how to sign in; the passwords are shown at the first start only."""
    console.print(f"\n  Busbar is at [bold]{centre['address']}[/bold]")
    if admin := centre.get("administrator"):
        console.print(
            f"  sign in as [bold]{admin['username']}[/bold] / [bold]{admin['password']}[/bold]"
        )
        console.print("  [dim]this password is shown once; change it after signing in[/dim]")
    console.print(f"  gateway's own page: [bold]{gateway['address']}[/bold]")
    if gateway["password"]:
        console.print(
            f"  its technician's password, shown once: [bold]{gateway['password']}[/bold]"
        )
    console.print("  logs and data: " + str(plan.data) + "; Ctrl-C ends it\n")


def fetch(url: str) -> dict[str, Any] | None:
    """One JSON document, or None when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310
            found: dict[str, Any] = json.load(reply)
            return found
    except (OSError, ValueError):
        return None


def line(status: dict[str, Any] | None) -> Text:
    """The live line: readings per second, what waits for the centre, how late the centre is."""
    if status is None:
        return Text("gateway does not answer", style="red")
    return Text(
        f"{status['readings_per_second']:>8,.0f} readings/s   {status['channels_online']} of "
        f"{status['channels']} channels online   buffer {status['depth']:,} readings   "
        f"lag {status['lag'] or 0:.1f} s"
    )


async def show(address: str, stop: asyncio.Event) -> None:
    """Keep the live line up to date until told to stop."""
    url = f"{address}/api/v1/local/status"
    with Live(console=console, refresh_per_second=2) as live:
        while not stop.is_set():
            live.update(line(await asyncio.to_thread(fetch, url)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await stop.wait()


async def run(plan: Plan) -> None:
    """Start everything, show how it goes, end on SIGINT or SIGTERM. Raises ChildFailed."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with site(plan) as running:
        starting = asyncio.create_task(launch(running))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError, ChildFailed):
                await starting
            return
        centre, gateway = await starting
        welcome(centre, gateway, plan)
        watchers = [asyncio.create_task(c.watch(console.print)) for c in running.children]
        try:
            await show(gateway["address"], stop)
        finally:
            for task in watchers:
                task.cancel()
            await asyncio.gather(*watchers, return_exceptions=True)
