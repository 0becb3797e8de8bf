"""What happens to the books by itself: sealed every half minute, proved every night."""

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from hub import UNIT, Actor, UnitOfWork

from .balances import roll_up
from .chain import Verdict, seal, verify
from .models import Proof, Series
from .proof import SUBLEDGERS, SubLedgers, prove

log = logging.getLogger(__name__)

PAUSE = 30
NIGHT = dt.timedelta(hours=24)


class Result(dict[UUID, tuple[Proof, Verdict]]):
    """By company: the proof of its books and of its chain."""

    @property
    def sound(self) -> bool:
        return all(proof.sound and not verdict.broken for proof, verdict in self.values())


def bookkeeper(tenant: UUID) -> Actor:
    return Actor(id="finance", tenant=tenant, kind="system", permissions=frozenset({"finance.*"}))


async def companies(unit: UnitOfWork) -> list[UUID]:
    """Those with books."""
    async with unit.system() as ctx:
        return list(await ctx.db.scalars(select(Series.tenant).distinct()))


async def seal_all(unit: UnitOfWork) -> int:
    """Seal what was posted and bring cached balances up to it; how many entries."""
    sealed = 0
    for tenant in await companies(unit):
        async with unit(bookkeeper(tenant)) as ctx:
            sealed += await seal(ctx)
            await roll_up(ctx)
    return sealed


async def prove_all(unit: UnitOfWork, subledgers: SubLedgers | None = None) -> Result:
    """Prove all books now; results are kept, and a fault is an error in the log."""
    found = Result()
    for tenant in await companies(unit):
        async with unit(bookkeeper(tenant)) as ctx:
            proof, verdict = await prove(ctx, subledgers), await verify(ctx)
            if verdict.broken:
                where = {f"{b.fiscal_year}/{b.number}": b.why for b in verdict.broken}
                proof.faults = {**proof.faults, "chain": where}
                proof.sound = False
            found[tenant] = (proof, verdict)
        if not proof.sound:
            about = {"action": "finance.proof", "tenant": str(tenant), "faults": proof.faults}
            log.error("the books of %s do not agree", tenant, extra=about)
    return found


@contextlib.asynccontextmanager
async def keeping(hub: Any) -> AsyncIterator[None]:
    """Keep the books in the background for as long as the process runs."""
    unit, subledgers = hub.get(UNIT), hub.get(SUBLEDGERS)
    task = asyncio.create_task(_keep(hub, unit, subledgers))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _keep(hub: Any, unit: UnitOfWork, subledgers: SubLedgers) -> None:
    await hub.started.wait()
    while True:
        try:
            await seal_all(unit)
            if await _due(unit):
                await prove_all(unit, subledgers)
        except Exception:
            log.exception("the books wait", extra={"action": "finance.keep"})
        await asyncio.sleep(PAUSE)


async def _due(unit: UnitOfWork) -> bool:
    """Whether the last proof of any company is a day old; of several processes one is first."""
    async with unit.system() as ctx:
        last = await ctx.db.scalar(select(func.max(Proof.proved_at)))
        return last is None or ctx.clock() - last >= NIGHT
