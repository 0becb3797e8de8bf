"""Workers whose jobs never end, to be killed. Argument: DSN."""

import asyncio
import sys

from hub import SIGNALS, job
from hub.kernel.database import Database
from hub.kernel.signals import PgSignals
from hub.kernel.uow import Unit
from plugins.jobs.queue import TaskQueue
from plugins.jobs.worker import Workers
from tests.integration.jobs.conftest import Number


async def main(dsn: str) -> None:
    @job("count")
    async def count(run, params: Number):
        await asyncio.Event().wait()

    async with Database(dsn, size=4) as database:
        signals = PgSignals(database.app_dsn)
        unit = Unit(database, services={SIGNALS: signals})
        workers = Workers(
            unit, signals, TaskQueue({"count": count}), database.app_dsn, name="doomed", silent=1.0
        )
        go = asyncio.Event()
        go.set()
        async with signals.running(), workers.running(go):
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
