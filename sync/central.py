"""The centre's side as a service: ingest, store, roll-ups and retention."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from uuid import UUID

import psycopg
import structlog

from hub import INFLOW, Forbidden, Unavailable
from hub.kernel.app import DIRECTORY, NEWS, ORDERS, STORE, UNIT, Hub
from hub.kernel.database import DATABASE, SYSTEM, Database
from hub.kernel.rates import RATES
from hub.kernel.run import plugin_settings

from .endpoint import Endpoint
from .gateways import enrol
from .inflow import StoreInflow
from .ingest import Ingest
from .orders import LinkEndpoint, OrderBook
from .settings import SyncSettings
from .store.common import Store
from .store.timescale import open_store

RETENTION_EVERY = 3_600.0  # s

_logger = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def ingesting(hub: Hub) -> AsyncIterator[None]:
    """Offer the readings; take frames; keep roll-ups and retention going."""
    settings: SyncSettings = plugin_settings(hub, "sync")
    database = hub.get(DATABASE)
    async with database.owner() as connection:
        for name, key in settings.gateways.items():
            await enrol(connection, name, key)
    hub.provide(ORDERS, OrderBook())
    store = await open_store(database.pool, database.dsn)
    ingest = Ingest(database.pool, store, hub.get(DIRECTORY))
    async with store.running():
        hub.provide(STORE, store)
        hub.provide(INFLOW, StoreInflow(store))
        owners = Owners(database)
        frames = Endpoint(database.pool, ingest, owners.of, hub.get(RATES))
        hub.routes.append(frames.route())
        link = LinkEndpoint(database.pool, hub.get(NEWS), hub.get(UNIT), owners.of)
        hub.routes.append(link.route())
        tasks = [
            asyncio.create_task(_refresh(store, settings.rollup_every), name="roll-ups"),
            asyncio.create_task(_retain(store, settings.keep_days), name="retention"),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class Owners:
    """To which company a gateway belongs that was enrolled without one: to the only one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, gateway: UUID) -> UUID:
        """The owner, noted for later; Unavailable before there is one, Forbidden if many."""
        async with self._database.owner() as connection, connection.transaction():
            await connection.execute(f"SET LOCAL ROLE {SYSTEM}")
            cursor = await connection.execute("SELECT id FROM identity_tenant LIMIT 2")
            rows = await cursor.fetchall()
            if not rows:
                raise Unavailable("no company is set up at the centre so far")
            if len(rows) > 1:
                raise Forbidden(f"gateway {gateway}: say to which company it belongs")
            owner: UUID = rows[0][0]
            await connection.execute(
                "UPDATE sync_gateway SET owner = %s WHERE id = %s AND owner IS NULL",
                (owner, gateway),
            )
        return owner


async def _refresh(store: Store, every: float) -> None:
    while True:
        try:
            await store.refresh_rollups(dt.datetime.now(dt.UTC))
        except psycopg.Error as error:
            _logger.warning("roll-ups wait for the database", reason=str(error).strip())
        await asyncio.sleep(every)


async def _retain(store: Store, keep_days: float) -> None:
    while keep_days:
        try:
            limit = dt.datetime.now(dt.UTC) - dt.timedelta(days=keep_days)
            dropped = await store.drop_before(limit)
            if dropped:
                _logger.info("old readings dropped", pieces=dropped, before=limit.isoformat())
        except psycopg.Error as error:
            _logger.warning("retention waits for the database", reason=str(error).strip())
        await asyncio.sleep(RETENTION_EVERY)
