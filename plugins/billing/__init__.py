"""Tariffs, and what a use of electricity costs by them."""

from pathlib import Path
from typing import Any

import typer

from hub import Plugin, hookimpl


@hookimpl
def hub_plugin() -> Plugin:
    from . import network
    from .events import EVENTS
    from .invoices import invoices, rebill_candidates
    from .payments import allocations, payments, refunds, take_payment
    from .readings import load, readings
    from .resources import tariffs, versions
    from .runs import calculate_bills, decide, issue_bills, run_items, runs

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
            payments,
            allocations,
            refunds,
        ),
        actions=(load, take_payment, run_items, decide, rebill_candidates),
        jobs=(calculate_bills, issue_bills),
        events=EVENTS,
        migrations=Path(__file__).parent / "migrations",
        locale=Path(__file__).parent / "locale",
    )


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
