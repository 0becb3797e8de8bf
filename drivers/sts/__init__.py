"""STS prepayment tokens (IEC 62055-41): issuing, reading, the meter's side, security modules."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from hub import TOKENS, Op, Plugin, Resource, hookimpl

from .models import Issuance
from .settings import StsSettings

if TYPE_CHECKING:
    from hub import TokenIssuer

_ISSUANCES = Resource(
    name="issuances",
    model=Issuance,
    ops=Op.READ,
    filters=("pan", "reference", "is_void", "created_at"),
    sort=("-created_at", "tid"),
)


@hookimpl
def hub_plugin() -> Plugin:
    return Plugin(
        name="sts",
        title="STS prepayment tokens",
        requires=("identity",),
        resources=(_ISSUANCES,),
        settings=StsSettings,
        migrations=Path(__file__).parent / "migrations",
        locale=Path(__file__).parent / "locale",
    )


@hookimpl
def hub_services(hub: Any) -> list[contextlib.AbstractAsyncContextManager[Any]]:
    return [_serving(hub)]


@hookimpl
def hub_cli(app: typer.Typer) -> None:
    from .cli import app as commands

    app.add_typer(commands, name="sts")


@contextlib.asynccontextmanager
async def _serving(hub: Any) -> AsyncIterator[None]:
    """Offer tokens as the settings say, from a module that has shown that it works."""
    own = msgspec.convert(hub.settings.plugin.get("sts", {}), StsSettings)
    hub.provide(TOKENS, await _desk(own))
    yield


async def _desk(own: StsSettings) -> "TokenIssuer":
    from .desk import ClosedDesk, ModuleDesk, VendingDesk

    own.check()
    if own.vending is not None:
        return VendingDesk(own.vending)
    if own.keys is None:
        return ClosedDesk()
    from .keyfile import load_keys
    from .module import SoftwareModule
    from .sta import load_tables

    keys = await asyncio.to_thread(load_keys, Path(own.keys))
    tables = None
    if own.ea07_tables is not None:
        tables = await asyncio.to_thread(load_tables, Path(own.ea07_tables))
    module = SoftwareModule(keys, tables)
    await module.self_test()
    return ModuleDesk(module)
