"""Reads that need no unit of work: one message to PostgreSQL and one back, no ORM.

A read belongs to one tenant. Its name and the statements travel together as one implicit
transaction, so row-level security holds for them as it does in a unit of work.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout
from sqlalchemy import Select
from sqlalchemy.dialects.postgresql import psycopg as psycopg_dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from hub.contract.errors import Invalid
from hub.contract.types import UtcDateTime

from .scopes import ALL, Scopes

_TENANT = "SELECT set_config('busbar.tenant', %s, true)"
_SHAPES = 2_000
Row = tuple[Any, ...]


class Compiled:
    """The text of one shape of statement, and how its values are written and read."""

    def __init__(self, statement: Select[Any], key: Any, dialect: Any) -> None:
        self.made: Any = statement.compile(dialect=dialect, cache_key=key)
        self.text = str(self.made)
        self.binds = {
            name: process
            for bind, name in self.made.bind_names.items()
            if (process := bind.type.dialect_impl(dialect).bind_processor(dialect))
        }
        columns = enumerate(statement.selected_columns)
        self.results = [
            (i, process)
            for i, column in columns
            if (process := _result(column.type, dialect)) is not None
        ]

    def values(self, extracted: Any) -> dict[str, Any]:
        values: dict[str, Any] = self.made.construct_params(extracted_parameters=extracted)
        for name, process in self.binds.items():
            values[name] = process(values[name])
        return values

    def rows(self, rows: list[Row]) -> list[Row]:
        if not self.results:
            return rows
        out = []
        for row in rows:
            cells = list(row)
            for i, process in self.results:
                cells[i] = process(cells[i])
            out.append(tuple(cells))
        return out


def _result(type_: TypeEngine[Any], dialect: Any) -> Any:
    """How a plugin's own type is read; what psycopg gives for the others is already right.

    States stay text: that is how they are answered.
    """
    if not isinstance(type_, TypeDecorator) or isinstance(type_, UtcDateTime):
        return None
    return type_.dialect_impl(dialect).result_processor(dialect, None)


Prepared = list[tuple[Compiled, dict[str, Any]]]


class Reader:
    """Runs SELECTs on connections of its own, few enough that PostgreSQL does not thrash.

    kept: what lists that are asked again and again were prepared as; its users bound it.
    """

    def __init__(self, dsn: str, *, size: int, timeout: float = 30.0) -> None:
        self._dsn, self._timeout = dsn, timeout
        self.scopes: Scopes = ALL
        self._idle: list[psycopg.AsyncConnection[Row]] = []
        self._turn = asyncio.Semaphore(size)
        self._dialect: Any = psycopg_dialect.dialect()  # type: ignore[no-untyped-call]
        self._shapes: dict[Any, Compiled] = {}
        self.kept: dict[Any, Any] = {}

    async def fetch(self, tenant: UUID, *statements: Select[Any]) -> list[list[Row]]:
        """The rows of each statement, as one tenant sees them; see `run`."""
        return await self.run(tenant, self.prepare(*statements))

    def prepare(self, *statements: Select[Any]) -> Prepared:
        """What `run` sends; whoever asks the same again may keep it."""
        return [self._compile(statement) for statement in statements]

    async def run(self, tenant: UUID, prepared: Prepared) -> list[list[Row]]:
        """The rows of each prepared statement, as one tenant sees them.

        Invalid for a value that PostgreSQL cannot hold; psycopg.OperationalError when it is away.
        """
        async with self._connection() as connection:
            try:
                async with connection.pipeline():
                    await connection.execute(_TENANT, (str(tenant),), prepare=True)
                    cursors = [
                        await connection.execute(shape.text, values, prepare=True, binary=True)
                        for shape, values in prepared
                    ]
            except psycopg.DataError as error:
                raise Invalid(f"a value does not fit: {error}") from None
            answers = [await cursor.fetchall() for cursor in cursors]
        return [shape.rows(rows) for (shape, _), rows in zip(prepared, answers, strict=True)]

    async def stream(
        self, tenant: UUID, statement: Select[Any], *, size: int = 1_000
    ) -> AsyncGenerator[list[Row]]:
        """All rows, `size` at a time, as they were when the first was read.

        A server-side cursor on a connection of its own: memory stays flat, and a slow taker keeps
        no other read waiting. Close it (`contextlib.aclosing`) when you leave early.
        """
        shape, values = self._compile(statement)
        async with (
            await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as connection,
            connection.transaction(),
        ):
            await connection.execute(_TENANT, (str(tenant),))
            async with connection.cursor("rows") as cursor:
                try:
                    await cursor.execute(shape.text, values, binary=True)
                except psycopg.DataError as error:
                    raise Invalid(f"a value does not fit: {error}") from None
                while rows := await cursor.fetchmany(size):
                    yield shape.rows(rows)

    def _compile(self, statement: Select[Any]) -> tuple[Compiled, dict[str, Any]]:
        key: Any = statement._generate_cache_key()  # noqa: SLF001  -- SQLAlchemy's own recipe for caches
        shape = self._shapes.get(key.key)
        if shape is None:
            if len(self._shapes) >= _SHAPES:
                self._shapes.clear()
            shape = self._shapes[key.key] = Compiled(statement, key, self._dialect)
        return shape, shape.values(key.bindparams)

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[psycopg.AsyncConnection[Row]]:
        try:
            async with asyncio.timeout(self._timeout):
                await self._turn.acquire()
        except TimeoutError:
            raise PoolTimeout("no connection became free in time") from None
        connection = None
        try:
            connection = await self._taken()
            yield connection
        finally:
            self._turn.release()
            if connection is not None:
                await self._give_back(connection)

    async def _taken(self) -> psycopg.AsyncConnection[Row]:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        return await psycopg.AsyncConnection.connect(self._dsn, autocommit=True)

    async def _give_back(self, connection: psycopg.AsyncConnection[Row]) -> None:
        """Keep a connection that is at rest; one that was left in the middle is closed."""
        if connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE:
            self._idle.append(connection)
        else:
            await connection.close()

    async def close(self) -> None:
        for connection in self._idle:
            await connection.close()
        self._idle.clear()
