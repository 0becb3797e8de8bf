"""Customers, places, meters and agreements, and how meters come and go."""

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, Struct
from sqlalchemy import select

from hub import Conflict, Ctx, Invalid, NotFound, Op, Resource, uuid7

from .events import CustomerCreated, MeterInstalled
from .intake import Given, Taken, take
from .models_network import (
    Account,
    Agreement,
    Customer,
    Installation,
    Meter,
    MeterStatus,
    Premise,
    Register,
    ServicePoint,
)
from .models_readings import Reason, Source

customers = Resource(
    name="customers",
    model=Customer,
    filters=("code", "category", "phone", "status", "is_protected", "created_at"),
    sort=("code", "name_ar", "created_at"),
    search=("code", "name_ar", "name_en", "phone"),
)
accounts = Resource(
    name="accounts",
    model=Account,
    ops=Op.READ | Op.CREATE | Op.UPDATE,
    subject="customers",
    filters=("number", "customer_id", "cycle", "currency", "status"),
    sort=("number", "created_at"),
    search=("number",),
)
premises = Resource(
    name="premises",
    model=Premise,
    filters=("code", "region"),
    sort=("code", "created_at"),
    search=("code", "address"),
)
service_points = Resource(
    name="service-points",
    model=ServicePoint,
    subject="premises",
    filters=("code", "premise_id", "station_id", "supply"),
    sort=("code", "created_at"),
    search=("code",),
)
meters = Resource(
    name="meters",
    model=Meter,
    filters=("number", "external_id", "manufacturer", "payment_mode", "status"),
    sort=("number", "created_at"),
    search=("number", "external_id"),
)
registers = Resource(
    name="registers",
    model=Register,
    subject="meters",
    filters=("meter_id", "name"),
    sort=("name", "created_at"),
)
installations = Resource(
    name="installations",
    model=Installation,
    ops=Op.READ,
    subject="meters",
    filters=("meter_id", "service_point_id", "since", "until"),
    sort=("-since", "created_at"),
)
agreements = Resource(
    name="agreements",
    model=Agreement,
    ops=Op.READ | Op.CREATE,
    subject="customers",
    filters=("account_id", "service_point_id", "tariff_id", "since", "until"),
    sort=("-since", "created_at"),
)

Dial = Annotated[str, Meta(pattern=r"^[0-9]{1,12}(\.[0-9]{1,3})?$")]
Factor = Annotated[str, Meta(pattern=r"^([1-9][0-9]{0,7}(\.[0-9]{1,6})?|0\.[0-9]{0,5}[1-9])$")]


def thousandths(dial: str) -> int:
    """`"15234.56"` → 15234560."""
    return int(Decimal(dial).scaleb(3))


@customers.on(Op.CREATE)
async def create_customer(ctx: Ctx, body: Any) -> Customer:
    given = {k: v for k, v in msgspec.structs.asdict(body).items() if v is not msgspec.UNSET}
    row = Customer(id=uuid7(), **given)
    ctx.db.add(row)
    ctx.emit(CustomerCreated(customer_id=row.id, code=row.code))
    return row


class Readings(Struct, kw_only=True, forbid_unknown_fields=True):
    """What the dials show at an instant, by register, in kWh (kvarh)."""

    at: dt.datetime
    readings: dict[str, Dial]
    note: str | None = None


class Install(Readings, kw_only=True, forbid_unknown_fields=True):
    service_point_id: UUID
    multiplier: Factor = "1"


class Exchange(Struct, kw_only=True, forbid_unknown_fields=True):
    """The old meter's last reading and the new one's first, of one instant."""

    at: dt.datetime
    readings: dict[str, Dial]
    new_meter_id: UUID
    new_readings: dict[str, Dial]
    multiplier: Factor | None = None
    note: str | None = None


class Rewire(Readings, kw_only=True, forbid_unknown_fields=True):
    """Other transformers under the same meter."""

    multiplier: Factor


class Installed(Struct, kw_only=True):
    """An installation that began or ended."""

    id: UUID
    meter_id: UUID
    service_point_id: UUID
    multiplier: Decimal
    since: dt.datetime
    until: dt.datetime | None


def _told(row: Installation) -> Installed:
    return Installed(
        id=row.id,
        meter_id=row.meter_id,
        service_point_id=row.service_point_id,
        multiplier=row.multiplier,
        since=row.since,
        until=row.until,
    )


@meters.action("install")
async def install(ctx: Ctx, row: Meter, body: Install) -> Installed:
    """Let a meter measure a service point from an instant on, beginning with these readings."""
    return _told(await _begin(ctx, row, body.service_point_id, Decimal(body.multiplier), body))


@meters.action("remove", verb="install")
async def remove(ctx: Ctx, row: Meter, body: Readings) -> Installed:
    """End the installation of a meter with its last readings."""
    done = await _end(ctx, row, body)
    row.status = MeterStatus.IN_STOCK
    return _told(done)


@meters.action("rewire", verb="install")
async def rewire(ctx: Ctx, row: Meter, body: Rewire) -> Installed:
    """Measure through another multiplier from these readings on."""
    old = await _end(ctx, row, body)
    return _told(await _begin(ctx, row, old.service_point_id, Decimal(body.multiplier), body))


@service_points.action("exchange")
async def exchange(ctx: Ctx, row: ServicePoint, body: Exchange) -> Installed:
    """Put another meter in the place of the one that is installed."""
    stmt = select(Installation).where(
        Installation.service_point_id == row.id, Installation.until.is_(None)
    )
    current = await ctx.db.scalar(stmt)
    if current is None:
        raise Conflict(f"no meter is installed at {row.code}: install one")
    last = Readings(at=body.at, readings=body.readings, note=body.note)
    first = Readings(at=body.at, readings=body.new_readings, note=body.note)
    await remove(ctx, await _meter(ctx, current.meter_id), last)
    multiplier = Decimal(body.multiplier) if body.multiplier else current.multiplier
    new = await _meter(ctx, body.new_meter_id)
    return _told(await _begin(ctx, new, row.id, multiplier, first))


async def _meter(ctx: Ctx, ident: UUID) -> Meter:
    meter = await ctx.db.scalar(select(Meter).where(Meter.id == ident))
    if meter is None:
        raise Invalid(f"there is no meter {ident}", field="new_meter_id")
    return meter


async def _begin(
    ctx: Ctx, meter: Meter, point: UUID, multiplier: Decimal, body: Readings
) -> Installation:
    if meter.status is MeterStatus.RETIRED:
        raise Conflict(f"meter {meter.number} is retired")
    await _check_registers(ctx, meter, body.readings)
    row = Installation(
        id=uuid7(),
        meter_id=meter.id,
        service_point_id=point,
        multiplier=multiplier,
        since=body.at,
        reason=body.note,
    )
    ctx.db.add(row)
    meter.status = MeterStatus.INSTALLED
    await ctx.db.flush()
    await _read(ctx, meter, row, body, Reason.INSTALL)
    ctx.emit(MeterInstalled(meter_id=meter.id, service_point_id=point, action="installed"))
    return row


async def _end(ctx: Ctx, meter: Meter, body: Readings) -> Installation:
    stmt = select(Installation).where(
        Installation.meter_id == meter.id, Installation.until.is_(None)
    )
    row = await ctx.db.scalar(stmt.with_for_update())
    if row is None:
        raise Conflict(f"meter {meter.number} is not installed")
    if body.at <= row.since:
        raise Invalid(f"it was installed only on {row.since:%Y-%m-%d %H:%M}", field="at")
    await _check_registers(ctx, meter, body.readings)
    row.until = body.at
    await ctx.db.flush()
    await _read(ctx, meter, row, body, Reason.REMOVE)
    told = MeterInstalled(
        meter_id=meter.id, service_point_id=row.service_point_id, action="removed"
    )
    ctx.emit(told)
    return row


async def _check_registers(ctx: Ctx, meter: Meter, readings: dict[str, Dial]) -> None:
    stmt = select(Register.name).where(Register.meter_id == meter.id)
    names = set(await ctx.db.scalars(stmt))
    if not names:
        raise Conflict(f"meter {meter.number} has no register: add them first")
    if names != set(readings):
        wanted = ", ".join(sorted(names))
        raise Invalid(f"give the reading of each register: {wanted}", field="readings")


async def _read(ctx: Ctx, meter: Meter, row: Installation, body: Readings, reason: Reason) -> None:
    given = [
        Given(
            meter=meter.number,
            installation=row.id,
            register=register,
            at=body.at,
            value=thousandths(dial),
            reason=reason,
            note=body.note,
        )
        for register, dial in body.readings.items()
    ]
    taken = await take(ctx, given, Source.PERSON)
    # What a meter showed at that instant may have been read before.
    refuse([t for t in taken if not t.faults or t.faults[0].code != "duplicate"])


def refuse(taken: list[Taken]) -> None:
    """Raise for the first reading that was not taken."""
    for answer in taken:
        if answer.id is None:
            fault = answer.faults[0]
            error = Conflict if fault.code in {"duplicate", "contradiction"} else Invalid
            raise error(fault.told, fault=fault.code)


class End(Struct, kw_only=True, forbid_unknown_fields=True):
    until: dt.date


@agreements.action("end", verb="write")
async def end_agreement(ctx: Ctx, row: Agreement, body: End) -> Agreement:
    """The first day that the account no longer pays for."""
    if row.until is not None and row.until <= body.until:
        raise Conflict(f"it ends on {row.until} already")
    if body.until <= row.since:
        raise Invalid(f"it begins on {row.since} only", field="until")
    row.until = body.until
    return row


async def installation(ctx: Ctx, ident: UUID) -> Installation:
    row = await ctx.db.scalar(select(Installation).where(Installation.id == ident))
    if row is None:
        raise NotFound(f"there is no installation {ident}")
    return row
