"""Records of gateways, written into the tables that they belong to."""

import datetime as dt
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from hub import (
    AlarmTold,
    Catalogue,
    CommandDone,
    CommandTold,
    DeviceState,
    Gap,
    GapCause,
    Note,
    PointDirectory,
    SwitchTold,
    uuid7,
)

from . import frames
from .frames import AnyRecord, Frame, plain
from .store.common import aware

MAX_LOCAL_ID = 1 << 26

Connection = AsyncConnection[Any]


class Sender(NamedTuple):
    """Whose record it is."""

    gateway: UUID
    epoch: UUID


async def record(
    connection: Connection, directory: PointDirectory, sender: Sender, told: AnyRecord
) -> bool:
    """Store one record in the caller's transaction; True when ids got a new meaning."""
    match told:
        case Catalogue():
            await _catalogue(connection, directory, sender, told)
            return True
        case Gap():
            await _gap(connection, sender, told)
        case DeviceState() | AlarmTold() | CommandTold() | SwitchTold():
            await _pass_on(connection, directory, sender, told)
        case Note():
            await connection.execute(
                "INSERT INTO sync_note (gateway, at, level, code, message)"
                " VALUES (%s, %s, %s, %s, %s)",
                (
                    sender.gateway, _time(told.at), plain(told.level), plain(told.code),
                    plain(told.message),
                ),
            )  # fmt: skip
        case CommandDone():
            await connection.execute(
                "INSERT INTO sync_command_result"
                " (gateway, command, point, actor, outcome, detail, at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s)",
                (
                    sender.gateway, plain(told.id), plain(told.key), plain(told.actor),
                    plain(told.outcome), plain(told.detail), _time(told.at),
                ),
            )  # fmt: skip
    return False


async def _pass_on(
    connection: Connection, directory: PointDirectory, sender: Sender, told: Any
) -> None:
    """Tell the owner of the points; put its events into the outbox, in the gateway's name."""
    events = await directory.told(connection, sender.gateway, told)
    for event in events:
        data = msgspec.to_builtins(event)
        await connection.execute(
            "INSERT INTO hub_event (id, tenant, at, type, actor, request_id, data)"
            " VALUES (%s, current_setting('busbar.tenant')::uuid, now(), %s, %s, '', %s)",
            (uuid7(), data.pop("type"), f"gateway:{sender.gateway}", Jsonb(data)),
        )
    if events:
        await connection.execute("NOTIFY busbar_event")


async def lost(connection: Connection, gateway: UUID, epoch: UUID, frame: Frame) -> None:
    """Frames that the gateway had to delete unsent."""
    _, cause = frames.lost(frame)
    gap = Gap(
        at=frame.last, device="", cause=cause, since=frame.first, until=frame.last, lost=frame.count
    )
    await _gap(connection, Sender(gateway, epoch), gap)


async def _catalogue(
    connection: Connection, directory: PointDirectory, sender: Sender, catalogue: Catalogue
) -> None:
    entries = [entry for entry in catalogue.points if 0 < entry.id < MAX_LOCAL_ID]
    if len(entries) != len(catalogue.points):
        raise frames.FrameError("a catalogue names a point id that no buffer gives")
    series = await directory.adopt(connection, sender.gateway, entries)
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO sync_point (gateway, epoch, local_id, series, device, name, every)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (gateway, epoch, local_id) DO UPDATE SET series = excluded.series,"
            " device = excluded.device, name = excluded.name, every = excluded.every",
            [
                (
                    *sender, entry.id, series[entry.id], plain(entry.device),
                    plain(entry.spec.name), entry.every or entry.spec.every,
                )
                for entry in entries
            ],
        )  # fmt: skip


async def _gap(connection: Connection, sender: Sender, gap: Gap) -> None:
    """An open gap is closed by a later record that has the same beginning."""
    until = None if gap.until is None else _time(gap.until)
    place = (*sender, plain(gap.device), GapCause(gap.cause), _time(gap.since))
    closed = await connection.execute(
        "UPDATE sync_gap SET until = %s, lost = greatest(lost, %s) WHERE gateway = %s"
        " AND epoch = %s AND device = %s AND cause = %s AND since = %s AND until IS NULL",
        (until, gap.lost, *place),
    )
    if closed.rowcount == 0:
        await connection.execute(
            "INSERT INTO sync_gap (gateway, epoch, device, cause, since, until, lost)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (*place, until, min(max(gap.lost, 0), 1 << 62)),
        )


def _time(microseconds: int) -> dt.datetime:
    return aware(min(max(microseconds, 0), frames.MAX_TIME))
