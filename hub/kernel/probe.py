"""Trying a channel once: does its configuration hold, does the peer answer, what does it say."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import numpy as np

from config import Faults
from hub.contract.driver import Can, Session
from hub.contract.errors import HubError, Unsupported
from hub.contract.key import Key
from hub.contract.orders import Probe, ProbeReport, ProbeStep
from hub.contract.plugin import Plugin
from hub.contract.points import Point
from hub.contract.readings import ReadingBatch
from hub.kernel.channels import Plan, Profiles, decode
from hub.kernel.clock import Clock
from hub.kernel.wire import ChannelLink

REPORT_WITHIN = 3.0  # s
SHOWN = 5  # names of what a device offers
TROUBLE = (HubError, Faults, OSError, TimeoutError, LookupError, ValueError)


class Failed(Exception):
    """A step did not succeed, so none follows."""


class Prober:
    """Opens channels beside those that run. plugins: with the drivers."""

    def __init__(self, plugins: Mapping[str, Plugin], profiles: Profiles, clock: Clock) -> None:
        self._plugins, self._profiles, self._clock = plugins, profiles, clock

    async def __call__(self, order: Probe) -> ProbeReport:
        """Go step by step until one fails or the time is over."""
        steps: list[ProbeStep] = []
        try:
            async with asyncio.timeout(order.within), AsyncExitStack() as stack:
                await self._go(order, steps, stack)
        except Failed:
            pass
        except TROUBLE as error:
            steps.append(ProbeStep(step="close", state="failed", detail=_words(error)))
        return ProbeReport(ok=all(s.state != "failed" for s in steps), steps=tuple(steps))

    async def _go(self, order: Probe, steps: list[ProbeStep], stack: AsyncExitStack) -> None:
        async def configured() -> tuple[Plan, str]:
            (plan,) = decode([order.channel], self._plugins, self._profiles)
            return plan, f"{len(plan.devices)} devices, {len(plan.points)} points"

        plan: Plan = await _step(steps, "configuration", configured)
        driver = plan.driver(plan.config, plan.points, ChannelLink(plan.config.name, self._clock))

        async def connected() -> tuple[Session, str]:
            async with asyncio.timeout(plan.config.connect_timeout):
                return await stack.enter_async_context(driver.open()), ""

        session: Session = await _step(steps, "connect", connected)

        async def started() -> tuple[ReadingBatch, str]:
            image = await session.startup()
            return image, f"{len(image)} values"

        image: ReadingBatch = await _step(steps, "start-up", started)
        if Can.BROWSE in driver.can:
            await _step(steps, "identify", lambda: _offered(session))
        else:
            steps.append(ProbeStep(step="identify", state="skipped"))
        if Can.READ not in driver.can or not plan.points:
            steps.append(ProbeStep(step="read", state="skipped"))
            return
        await _step(steps, "read", lambda: _read(session, plan, order.point, image))


async def _step(
    steps: list[ProbeStep], name: str, work: Callable[[], Awaitable[tuple[Any, str]]]
) -> Any:
    """Do one step and note how it went; Failed when it did not."""
    began = time.monotonic()
    try:
        found, detail = await work()
    except TROUBLE as error:
        steps.append(_noted(name, "failed", _words(error), began))
        raise Failed from error
    steps.append(_noted(name, "ok", detail, began))
    return found


def _noted(name: str, state: str, detail: str, began: float) -> ProbeStep:
    ms = round((time.monotonic() - began) * 1000, 1)
    return ProbeStep(step=name, state=state, detail=detail, ms=ms)


async def _offered(session: Session) -> tuple[None, str]:
    names = []
    async for node in session.browse():
        names.append(node.name)
        if len(names) == SHOWN:
            break
    return None, ", ".join(names)


async def _read(session: Session, plan: Plan, wanted: str, image: ReadingBatch) -> tuple[None, str]:
    """One value: by asking, or as the start-up brought it where the device reports by itself."""
    known: dict[str, Point] = {p.key: p for p in plan.points}
    if wanted and wanted not in known:
        raise ValueError(f"no point is called {wanted!r}")
    point = known[wanted] if wanted else plan.points[0]
    batch = await session.read((point,))
    rows = np.flatnonzero(batch.point == point.id)
    if not len(rows):
        batch = await _reported(session, point, image)
        rows = np.flatnonzero(batch.point == point.id)
    if not len(rows):
        raise ValueError(f"{point.key}: no value came")
    row = int(rows[-1])
    shown = batch.text.get(row) or f"{float(batch.value[row]):g}"
    return None, f"{point.key}: raw value {shown}, quality {int(batch.quality[row])}"


async def _reported(session: Session, point: Point, image: ReadingBatch) -> ReadingBatch:
    """What the device says of the point by itself: in the start-up image, or soon after."""
    batch = image
    with contextlib.suppress(TimeoutError, Unsupported):
        async with asyncio.timeout(REPORT_WITHIN):
            news = session.events()
            while point.id not in batch.point:
                batch = await anext(news)
    return batch


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


PROBE = Key[Prober]("trial of channels")
