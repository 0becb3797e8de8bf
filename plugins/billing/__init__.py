"""Tariffs, and what a use of electricity costs by them."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import typer

from hub import Plugin, hookimpl


@hookimpl
def hub_plugin() -> Plugin:
    from . import network
    from .callbacks import ask_provider, callback
    from .events import EVENTS
    from .invoices import invoices, rebill_candidates
    from .payments import MONEY, take_payment
    from .providers import BillingSettings
    from .readings import load, readings
    from .resources import tariffs, versions
    from .runs import calculate_bills, decide, issue_bills, read_meters, run_items, runs

    return Plugin(
        name="billing",
        title="Billing",
        requires=("identity", "finance"),
        after=("jobs",),
        resources=(
            tariffs,
            versions,
            network.customers,
            network.accounts,
            network.premises,
            network.service_points,
            network.meters,
            network.registers,
            network.installations,
            network.agreements,
            readings,
            runs,
            invoices,
            *MONEY,
        ),
        actions=(callback, load, take_payment, run_items, decide, rebill_candidates),
        settings=BillingSettings,
        jobs=(ask_provider, calculate_bills, issue_bills, read_meters),
        events=EVENTS,
        migrations=Path(__file__).parent / "migrations",
        locale=Path(__file__).parent / "locale",
    )


@hookimpl
def hub_services(hub: Any) -> list[contextlib.AbstractAsyncContextManager[Any]]:
    return [_paid_through(hub)]


@contextlib.asynccontextmanager
async def _paid_through(hub: Any) -> AsyncIterator[None]:
    from .providers import PROVIDERS, BillingSettings, WalletProvider

    settings = msgspec.convert(hub.settings.plugin.get("billing", {}), BillingSettings)
    hub.provide(PROVIDERS, {w.name: WalletProvider(w) for w in settings.providers})
    yield


@hookimpl
def hub_startup(hub: Any) -> Any:
    from plugins.finance import SUBLEDGERS

    from .payments import totals

    async def join() -> None:
        hub.get(SUBLEDGERS).add("billing", totals)

    return join()


@hookimpl
def hub_cli(app: typer.Typer) -> None:
    from .cli import app as commands

    app.add_typer(commands, name="billing")
