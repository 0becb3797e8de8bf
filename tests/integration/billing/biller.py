"""A process that calculates and issues a bill run until it is done or killed.

`python biller.py DSN TENANT RUN`; it writes a line after each chunk.
"""

import asyncio
import contextlib
import sys
from uuid import UUID

from hub import LEDGER, Actor
from hub.kernel.database import Database
from hub.kernel.uow import Unit
from plugins.billing import calculating, issuing
from plugins.billing.measuring import Stuck
from plugins.billing.models_bills import BillRun, RunStatus
from plugins.finance.posting import Books


async def told(done: float) -> None:
    sys.stdout.write(f"{done}\n")
    sys.stdout.flush()


async def main(dsn: str, tenant: str, run: str) -> None:
    # Small chunks, so that a kill falls between and inside of many.
    calculating.CHUNK = issuing.CHUNK = 7
    async with Database(dsn, size=2) as database:
        unit = Unit(database, services={LEDGER: Books()})
        actor = Actor(id="biller", tenant=UUID(tenant), kind="system")

        def open_():
            return unit(actor)

        await told(0)
        # Of two that work on the same run, the slower finds it a step further.
        while True:
            async with open_() as ctx:
                row = await ctx.db.get(BillRun, (UUID(tenant), UUID(run)), with_for_update=True)
                if row.status is RunStatus.CALCULATED:
                    row.status = RunStatus.APPROVED
                status = row.status
            with contextlib.suppress(Stuck):
                if status is RunStatus.SELECTED:
                    await calculating.calculate(open_, UUID(run), told)
                else:
                    await issuing.issue(open_, UUID(run), told)
                    return


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
