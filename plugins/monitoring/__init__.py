"""Monitoring: figures of the product, alert rules over figures, readings and events, alerts."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from hub import UNIT, Plugin, hookimpl

from .builtin import install
from .cleaning import DAILY, clean
from .evaluating import EACH_MINUTE, evaluate
from .events import EVENTS
from .resources import alert_rules, alerts, measure, names, samples, series

__all__ = ["EVENTS"]


@hookimpl
def hub_plugin() -> Plugin:
    return Plugin(
        name="monitoring",
        title="Monitoring",
        requires=("identity", "events", "jobs", "notifications", "scada"),
        resources=(alerts, alert_rules, samples),
        actions=(names, measure, series),
        events=EVENTS,
        jobs=(evaluate, clean),
        schedules=(EACH_MINUTE, DAILY),
        migrations=Path(__file__).parent / "migrations",
        locale=Path(__file__).parent / "locale",
    )


@hookimpl
def hub_services(hub: Any) -> list[contextlib.AbstractAsyncContextManager[Any]]:
    return [_rules(hub)]


@contextlib.asynccontextmanager
async def _rules(hub: Any) -> AsyncIterator[None]:
    """Give companies their rules."""
    await install(hub.get(UNIT))
    yield
