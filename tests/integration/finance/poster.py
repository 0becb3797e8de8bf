"""A process that posts until it is killed: `python poster.py DSN TENANT PREFIX`.

It writes out the key of each entry after its commit.
"""

import asyncio
import datetime as dt
import sys
from uuid import UUID

from hub import Actor
from hub.kernel.database import Database
from hub.kernel.uow import Unit
from plugins.finance import Entry, credit, debit, post_many


async def main(dsn: str, tenant: str, prefix: str) -> None:
    async with Database(dsn, size=4) as database:
        unit = Unit(database)
        actor = Actor(id="poster", tenant=UUID(tenant), kind="system")

        async def work(name: str) -> None:
            for n in range(10_000):
                keys = [f"{prefix}-{name}-{n}-{i}" for i in range(1 + n % 7)]
                async with unit(actor) as ctx:
                    await post_many(ctx, [entry(k) for k in keys])
                sys.stdout.write("".join(f"{k}\n" for k in keys))
                sys.stdout.flush()

        await asyncio.gather(*(work(name) for name in "abc"))


def entry(key: str) -> Entry:
    lines = (debit("1110", 7), credit("4110", 7))
    return Entry(kind="kill", key=key, day=dt.date(2026, 6, 1), description="x", lines=lines)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
