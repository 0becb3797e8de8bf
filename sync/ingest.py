"""Frames of gateways into the central database, each exactly once.

The cursor row (gateway, epoch, stream) is locked, what lies behind the watermark is skipped, the
rest is stored and the watermark moved, all in one transaction. So whatever a gateway repeats, and
wherever either side is killed, a reading is stored once.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from hub import HubError, PointDirectory, ReadingBatch, Stream

from . import frames, told
from .gateways import Gateway
from .packing import join
from .store.common import Store, aware
from .wire import Need, Receipt, Upload

MAX_READINGS = 500_000  # of one upload: bounds the memory that a hostile one can take

MAX_MAPS = 5_000  # buffers whose points are remembered between uploads

Connection = AsyncConnection[Any]


class Refused(HubError):
    """The frames do not continue what the centre has."""

    status, code = 409, "sync_order"

    def __init__(self, need: Need, expected: int, detail: str, moved: int = 0) -> None:
        super().__init__(detail)
        self.need, self.expected, self.moved = need, expected, moved


@dataclass(frozen=True, slots=True)
class Parcel:
    """One frame, unpacked."""

    frame: frames.Frame
    data: bytes
    batch: ReadingBatch | None
    records: Sequence[frames.AnyRecord]


class Cursor(NamedTuple):
    """Where the centre stands with one stream. catalogue: changes when ids get new meanings.

    moved: µs since 1970 UTC.
    """

    watermark: int
    hash: bytes
    catalogue: int
    moved: int


@dataclass(frozen=True, slots=True)
class _Map:
    """local id → series, 0 where unknown."""

    version: int
    series: NDArray[np.int64]


def unpack(upload: Upload) -> list[Parcel]:
    """Decode all frames, or FrameError. Takes milliseconds: not for the event loop."""
    parcels: list[Parcel] = []
    total = 0
    for data in upload.frames:
        frame = frames.decode(data)
        is_readings = frame.kind is frames.FrameKind.READINGS
        total += frame.count if is_readings else 0
        if total > MAX_READINGS:
            raise frames.FrameTooLarge(f"more than {MAX_READINGS} readings in one upload")
        batch = frames.readings(frame) if is_readings else None
        told_here = frames.records(frame) if frame.kind is frames.FrameKind.RECORDS else ()
        if frame.kind is frames.FrameKind.LOST:
            frames.lost(frame)
        if parcels and frame.seq != parcels[-1].frame.upto + 1:
            raise frames.BrokenChain(f"frame {frame.seq} follows {parcels[-1].frame.upto}")
        parcels.append(Parcel(frame, data, batch, told_here))
    return parcels


class Ingest:
    """Takes uploads. One for a process; any number of processes may share a database."""

    def __init__(
        self, pool: AsyncConnectionPool[Any], store: Store, directory: PointDirectory
    ) -> None:
        self._pool, self._store, self._directory = pool, store, directory
        self._maps: dict[tuple[UUID, UUID], _Map] = {}

    async def take(self, sender: Gateway, stream: Stream, upload: Upload) -> Receipt:
        """Store what is new; FrameError if it is unreadable, Refused if it does not fit on."""
        gateway = sender.id
        parcels = await asyncio.to_thread(unpack, upload)
        epoch = UUID(bytes=upload.epoch)
        batches = [parcel.batch for parcel in parcels if parcel.batch is not None]
        if batches:
            await self._store.prepare(join(batches))
        async with self._pool.connection() as connection, connection.transaction():
            if sender.owner is not None:
                await connection.execute(
                    "SELECT set_config('busbar.tenant', %s, true)", (str(sender.owner),)
                )
            cursor = await self._lock(connection, gateway, epoch, stream)
            new = _continue(cursor, parcels)
            duplicates = len(parcels) - len(new)
            if new:
                await self._keep(connection, gateway, epoch, cursor, new)
                cursor = cursor._replace(
                    watermark=new[-1].frame.upto,
                    hash=frames.next_hash(new[-1].frame, new[-1].data),
                )
            moved = await _move(connection, (gateway, epoch, stream), cursor, new, duplicates)
        return Receipt(cursor.watermark, duplicates, cursor.hash, moved)

    async def _lock(
        self, connection: Connection, gateway: UUID, epoch: UUID, stream: Stream
    ) -> Cursor:
        for one in Stream:
            await connection.execute(
                "INSERT INTO sync_cursor (gateway, epoch, stream, hash) VALUES (%s, %s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                (gateway, epoch, one, frames.genesis(epoch, one)),
            )
        found = await connection.execute(
            "SELECT watermark, hash, (SELECT max(catalogue) FROM sync_cursor AS any_stream"
            "  WHERE any_stream.gateway = mine.gateway AND any_stream.epoch = mine.epoch),"
            " (extract(epoch FROM coalesce(moved_at, began_at)) * 1000000)::int8"
            " FROM sync_cursor AS mine WHERE gateway = %s AND epoch = %s AND stream = %s"
            " FOR UPDATE OF mine",
            (gateway, epoch, stream),
        )
        row = await found.fetchone()
        assert row is not None  # noqa: S101 - inserted above
        return Cursor(row[0], bytes(row[1]), *row[2:])

    async def _keep(
        self,
        connection: Connection,
        gateway: UUID,
        epoch: UUID,
        cursor: Cursor,
        parcels: Sequence[Parcel],
    ) -> None:
        version = cursor.catalogue
        pending: list[ReadingBatch] = []
        for parcel in parcels:
            if parcel.batch is not None:
                pending.append(await self._translate(connection, gateway, epoch, version, parcel))
                continue
            if parcel.frame.kind is frames.FrameKind.LOST:
                await told.lost(connection, gateway, epoch, parcel.frame)
                continue
            for record in parcel.records:
                version += await told.record(
                    connection, self._directory, told.Sender(gateway, epoch), record
                )
        if version != cursor.catalogue:
            await connection.execute(
                "UPDATE sync_cursor SET catalogue = %s"
                " WHERE gateway = %s AND epoch = %s AND stream = %s",
                (version, gateway, epoch, Stream.EVENTS),
            )
        if pending:
            await self._store.write(connection, gateway, join(pending))

    async def _translate(
        self, connection: Connection, gateway: UUID, epoch: UUID, version: int, parcel: Parcel
    ) -> ReadingBatch:
        """Readings by series instead of the gateway's ids; Refused when one is unknown."""
        batch = parcel.batch
        assert batch is not None  # noqa: S101 - the caller's choice
        known = self._maps.get((gateway, epoch))
        if known is None or known.version != version:
            known = _Map(version, await _series(connection, gateway, epoch))
            if len(self._maps) >= MAX_MAPS:
                self._maps.clear()
            self._maps[gateway, epoch] = known
        series = known.series[np.minimum(batch.point, len(known.series) - 1)]
        if not series.all():
            unknown = int(batch.point[int(np.argmin(series))])
            raise Refused(
                Need.CATALOGUE, parcel.frame.seq, f"point {unknown} is in no catalogue so far"
            )
        return ReadingBatch(
            series.astype(np.uint32), batch.time, batch.value, batch.quality, text=batch.text
        )


def _continue(cursor: Cursor, parcels: Sequence[Parcel]) -> list[Parcel]:
    """The parcels that are new, after checking that they follow on and that their chain holds."""
    new = [parcel for parcel in parcels if parcel.frame.upto > cursor.watermark]
    expected, chain = cursor.watermark + 1, cursor.hash
    for parcel in new:
        frame = parcel.frame
        if frame.seq > expected:
            raise Refused(Need.REWIND, expected, f"frame {frame.seq} came before {expected}")
        is_lost = frame.kind is frames.FrameKind.LOST
        if frame.seq == expected and frame.previous != chain and not is_lost:
            detail = f"frame {frame.seq} does not follow what the centre has"
            if parcel is not new[0]:
                raise frames.BrokenChain(detail)
            raise Refused(Need.EPOCH, expected, detail, cursor.moved)
        expected, chain = frame.upto + 1, frames.next_hash(frame, parcel.data)
    return new


async def _move(
    connection: Connection,
    place: tuple[UUID, UUID, Stream],
    cursor: Cursor,
    new: Sequence[Parcel],
    duplicates: int,
) -> int:
    """Write down where the centre stands now; when it got there, µs since 1970 UTC."""
    batches = [parcel.batch for parcel in new if parcel.batch is not None]
    newest = max((parcel.frame.last for parcel in new if parcel.batch is not None), default=None)
    found = await connection.execute(
        "UPDATE sync_cursor SET watermark = %s, hash = %s, readings = readings + %s,"
        " duplicates = duplicates + %s, newest = greatest(newest, %s),"
        " moved_at = CASE WHEN %s THEN now() ELSE moved_at END"
        " WHERE gateway = %s AND epoch = %s AND stream = %s"
        " RETURNING (extract(epoch FROM moved_at) * 1000000)::int8",
        (
            cursor.watermark,
            cursor.hash,
            sum(map(len, batches)),
            duplicates,
            aware(newest) if newest is not None else None,
            bool(new),
            *place,
        ),
    )
    (moved,) = await found.fetchone() or (0,)
    return moved or 0


async def _series(connection: Connection, gateway: UUID, epoch: UUID) -> NDArray[np.int64]:
    """Series by local id, with a 0 behind the highest for all ids beyond."""
    cursor = await connection.execute(
        "SELECT local_id, series FROM sync_point WHERE gateway = %s AND epoch = %s",
        (gateway, epoch),
    )
    rows = await cursor.fetchall()
    table = np.zeros(max((local for local, _ in rows), default=0) + 2, np.int64)
    for local, series in rows:
        table[local] = series
    return table
