"""From events that arrived to readings, and to what others are told."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID, uuid5

import msgspec
import numpy as np
from sqlalchemy import select

from drivers.mqtt.acrel import OFFLINE, AcrelAddress, acrel_address
from drivers.mqtt.acrel_events import (
    Alert,
    DisconnectConfirm,
    Event,
    MeterReading,
    ReconnectConfirm,
    StatusChange,
)
from drivers.mqtt.paths import MISSING, find
from drivers.mqtt.rows import Rows, read_time
from drivers.mqtt.webhooks import topic_word
from hub import (
    INFLOW,
    METERS,
    OUTSIDE_ALARMS,
    AlarmKind,
    Cause,
    ConfigError,
    Ctx,
    Kind,
    MeterPoint,
    OutsideAlarm,
    Point,
    PointSpec,
    ReadingBatch,
    Severity,
)

from .happenings import MeterAlert, MeterRead, MeterStatusChanged
from .models import Receipt, ReceiptStatus

BATCH = 500
_SENDERS = UUID("5b1f5d0e-6f0c-5f83-9a3e-0d6a1c8b7e42")  # names one sender of readings per company
MOST_KIND, MOST_MESSAGE = 100, 1_000  # characters
_RELAY = {"0": "disconnected", "1": "connected"}


async def process(ctx: Ctx) -> list[Event]:
    """Take what waits, in order of arrival: store its readings, tell what happened, raise alarms.

    All in the caller's transaction. Returns the events, for whoever waits for confirmations.
    """
    waiting = (
        select(Receipt)
        .where(Receipt.status == ReceiptStatus.ACCEPTED)
        .order_by(Receipt.sequence)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    receipts = (await ctx.db.scalars(waiting)).all()
    if not receipts:
        return []
    meters = await ctx.get(METERS).points(ctx, sorted({r.meter for r in receipts}))
    events: list[Event] = []
    batches: list[ReadingBatch] = []
    told: list[OutsideAlarm] = []
    for receipt in receipts:
        event = msgspec.convert(receipt.body, Event)
        now = round(receipt.created_at.timestamp() * 1_000_000)
        points = meters.get(receipt.meter, ())
        shown = state_of(event)
        body = receipt.body if shown is event else msgspec.to_builtins(shown)
        batches.append(readings(shown, body, points, now))
        _tell(ctx, shown, receipt.source, now)
        told += alarms(event, now, collected=any(p.collected for p in points))
        events.append(event)
        receipt.status, receipt.processed_at = ReceiptStatus.PROCESSED, ctx.clock()
    await ctx.get(INFLOW).store(ctx, uuid5(_SENDERS, str(ctx.actor.tenant)), _join(batches))
    await ctx.get(OUTSIDE_ALARMS).tell(ctx, told)
    return events


def state_of(event: Event) -> Event:
    """What the confirmation of an order says of the relay, ordered by us or not; others as is."""
    states = {DisconnectConfirm: "disconnected", ReconnectConfirm: "connected"}
    if not isinstance(event, DisconnectConfirm | ReconnectConfirm) or event.result != "success":
        return event
    return StatusChange(
        timestamp=event.timestamp,
        meter_id=event.meter_id,
        new_status=states[type(event)],
        reason="remote_command" if event.command_id else event.message,
    )


def alarms(event: Event, now: int, *, collected: bool = False) -> list[OutsideAlarm]:
    """An alert raises one; so does a meter that is out of reach, until it is heard again.

    collected: by a gateway, which says itself whom it cannot reach.
    """
    at, _ = read_time(event.timestamp, now)
    found = []
    if not collected:
        found.append(
            OutsideAlarm(
                source="acrel",
                device=event.meter_id,
                kind=AlarmKind.COMMS,
                severity=Severity.ERROR,
                message=f"{event.meter_id} is out of the platform's reach",
                at=at,
                on=isinstance(event, StatusChange) and event.new_status in OFFLINE,
                lasting=True,
            )
        )
    if isinstance(event, Alert):
        kind = event.alert_type[:MOST_KIND] or "alert"
        found.append(
            OutsideAlarm(
                source="acrel",
                device=event.meter_id,
                kind=kind,
                severity=Severity(event.severity),
                message=(event.message or f"{event.meter_id}: {kind}")[:MOST_MESSAGE],
                at=at,
                value=event.value,
                threshold=event.threshold,
            )
        )
    return found


def readings(
    event: Event, body: Mapping[str, object], points: Iterable[MeterPoint], now: int
) -> ReadingBatch:
    """What an event says of the points that no gateway collects; `point` holds series."""
    time, quality = read_time(event.timestamp, now)
    rows, known = Rows(), {}
    own = [(p, address) for p in points if not p.collected and (address := _address(p))]
    if isinstance(event, StatusChange) and event.new_status in OFFLINE:
        rows.lose([_point(p, address) for p, address in own if address.word != "command"], now)
    else:
        for point, address in own:
            if address.word != topic_word(event):
                continue
            raw = find(body, address.path)
            if raw is not MISSING:
                rows.add(_point(point, address), raw, time, quality)
                known[point.series] = point
    batch = rows.batch(Cause.EVENT)
    scale = np.array([known[s].scale if s in known else 1.0 for s in batch.point.tolist()])
    offset = np.array([known[s].offset if s in known else 0.0 for s in batch.point.tolist()])
    return ReadingBatch(
        batch.point, batch.time, batch.value * scale + offset, batch.quality, text=batch.text
    )


def _address(point: MeterPoint) -> AcrelAddress | None:
    """None for points that people entered in another notation."""
    try:
        return acrel_address(point.address)
    except ConfigError:
        return None


def _point(point: MeterPoint, address: AcrelAddress) -> Point:
    states = _RELAY if point.kind is Kind.BINARY else {}
    spec = PointSpec(name="value", address=point.address, kind=point.kind, states=states)
    return Point(id=point.series, key="", device="", spec=spec, address=address)


def _join(batches: Sequence[ReadingBatch]) -> ReadingBatch:
    """One batch of many."""
    text: dict[int, str] = {}
    rows = 0
    for batch in batches:
        text |= {rows + row: word for row, word in batch.text.items()}
        rows += len(batch)
    return ReadingBatch(
        np.concatenate([b.point for b in batches]),
        np.concatenate([b.time for b in batches]),
        np.concatenate([b.value for b in batches]),
        np.concatenate([b.quality for b in batches]),
        text=text,
    )


def _tell(ctx: Ctx, event: Event, source: str, now: int) -> None:
    match event:
        case MeterReading(meter_id=meter, data=data):
            time, _ = read_time(event.timestamp, now)
            ctx.emit(
                MeterRead(
                    meter_id=meter,
                    reading_at=dt.datetime.fromtimestamp(time / 1_000_000, dt.UTC),
                    reading=_number(data.get("reading")),
                    voltage=_number(data.get("voltage")),
                    current=_number(data.get("current")),
                    power_factor=_number(data.get("power_factor")),
                    source=source,
                )
            )
        case Alert():
            ctx.emit(
                MeterAlert(
                    meter_id=event.meter_id,
                    alert_type=event.alert_type,
                    severity=event.severity,
                    value=event.value,
                    threshold=event.threshold,
                    message=event.message,
                )
            )
        case StatusChange():
            ctx.emit(
                MeterStatusChanged(
                    meter_id=event.meter_id,
                    previous_status=event.previous_status,
                    new_status=event.new_status,
                    reason=event.reason,
                )
            )


def _number(raw: object) -> float | None:
    return float(raw) if isinstance(raw, int | float) and not isinstance(raw, bool) else None
