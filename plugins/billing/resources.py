"""Tariffs and their versions as rows: drafted, published, and tried out before."""

import asyncio
import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from sqlalchemy import func, select

from hub import Conflict, Ctx, Invalid, NotFound, Op, Resource
from plugins.identity import Tenant

from .files import read
from .models import Tariff, TariffVersion, Terms, VersionStatus
from .tariff import Bill, Credit, Line, Usage, Version, rate
from .tariff.history import simulate as simulate_history

tariffs = Resource(
    name="tariffs",
    model=Tariff,
    filters=("code", "customer_category", "currency", "is_active"),
    sort=("code", "created_at"),
    search=("code", "name_ar", "name_en"),
)
versions = Resource(
    name="tariff-versions",
    model=TariffVersion,
    filters=("tariff_id", "status", "valid_from"),
    sort=("valid_from", "number", "created_at"),
)


def version(tariff: Tariff, valid_from: dt.date, terms: Terms) -> Version:
    """What the engine prices by; Invalid says which charge does not fit the others."""
    try:
        return msgspec.convert(
            msgspec.to_builtins(terms) | {"currency": tariff.currency, "valid_from": valid_from},
            Version,
        )
    except msgspec.ValidationError as e:
        raise Invalid(str(e), field="terms") from None


@versions.on(Op.CREATE)
async def create_version(ctx: Ctx, body: Any) -> TariffVersion:
    """Numbered after the last one; the tariff's lock keeps two from taking one number."""
    stmt = select(Tariff).where(Tariff.id == body.tariff_id).with_for_update()
    tariff = await ctx.db.scalar(stmt)
    if tariff is None:
        raise Invalid(f"there is no tariff {body.tariff_id}", field="tariff_id")
    version(tariff, body.valid_from, body.terms)
    last = await ctx.db.scalar(
        select(func.max(TariffVersion.number)).where(TariffVersion.tariff_id == tariff.id)
    )
    row = TariffVersion(
        tariff_id=tariff.id,
        number=(last or 0) + 1,
        valid_from=body.valid_from,
        terms=body.terms,
    )
    ctx.db.add(row)
    return row


@versions.on(Op.UPDATE)
async def update_version(ctx: Ctx, row: TariffVersion, body: Any) -> None:
    _refuse_published(row)
    for name in ("valid_from", "terms"):
        if (value := getattr(body, name)) is not msgspec.UNSET:
            setattr(row, name, value)
    version(await _tariff(ctx, row), row.valid_from, row.terms)


@versions.on(Op.DELETE)
async def delete_version(ctx: Ctx, row: TariffVersion) -> None:
    _refuse_published(row)
    await ctx.db.delete(row)


def _refuse_published(row: TariffVersion) -> None:
    if row.status is VersionStatus.PUBLISHED:
        raise Conflict("a published version never changes: make a new one")


@versions.transition("publish", start={VersionStatus.DRAFT}, end=VersionStatus.PUBLISHED)
async def publish(ctx: Ctx, row: TariffVersion) -> TariffVersion:
    """Let bills use a version, which from now on never changes."""
    version(await _tariff(ctx, row), row.valid_from, row.terms)
    row.published_at, row.published_by = ctx.clock(), ctx.actor.id
    return row


async def _tariff(ctx: Ctx, row: TariffVersion) -> Tariff:
    tariff = await ctx.db.scalar(select(Tariff).where(Tariff.id == row.tariff_id))
    if tariff is None:
        raise NotFound(f"there is no tariff {row.tariff_id}")
    return tariff


class Simulate(Struct, kw_only=True, forbid_unknown_fields=True):
    """Either a use or a meter file. version: number of one version, a draft too; else those
    published. zone: of the calendar months of a file; the company's when empty."""

    usage: Usage | None = None
    meter_file: Annotated[str, Meta(max_length=8_000_000)] = ""
    format: Literal["nem12", "green_button"] = "nem12"
    meter: str = ""
    zone: str = ""
    version: int | None = None


class SimulatedBill(Struct, kw_only=True):
    """Amounts in minor units; lines in the order of the charges."""

    start: dt.date
    end: dt.date
    net: int
    tax: int
    total: int
    lines: tuple[Line, ...]
    bank: tuple[Credit, ...]


class Simulation(Struct, kw_only=True):
    currency: str
    total: int
    bills: list[SimulatedBill]


@tariffs.action("simulate", verb="read")
async def simulate(ctx: Ctx, row: Tariff, body: Simulate) -> Simulation:
    """What a use would cost, or each month of a meter's file; nothing is kept."""
    if (body.usage is None) == (not body.meter_file):
        raise Invalid("give a usage or a meter file", field="usage")
    found = await _versions(ctx, row, body.version)
    zone = body.zone or await ctx.db.scalar(
        select(Tenant.timezone).where(Tenant.id == ctx.actor.tenant)
    )
    # A year of a file is too much for the event loop.
    bills = await asyncio.to_thread(_bills, found, body, zone or "UTC")
    return Simulation(currency=row.currency, total=sum(b.total for b in bills), bills=bills)


async def _versions(ctx: Ctx, row: Tariff, number: int | None) -> list[Version]:
    stmt = select(TariffVersion).where(TariffVersion.tariff_id == row.id)
    if number is None:
        stmt = stmt.where(TariffVersion.status == VersionStatus.PUBLISHED)
    else:
        stmt = stmt.where(TariffVersion.number == number)
    rows = (await ctx.db.scalars(stmt.order_by(TariffVersion.number))).all()
    if not rows:
        raise Conflict(
            "the tariff has no published version" if number is None else "no such version"
        )
    return [version(row, v.valid_from, v.terms) for v in rows]


def _bills(found: list[Version], body: Simulate, zone: str) -> list[SimulatedBill]:
    if body.usage is not None and not body.meter_file:
        return [_answer(body.usage, rate(found, body.usage))]
    registers = read(body.meter_file, body.format, meter=body.meter, zone=zone)
    return [_answer(u, b) for u, b in simulate_history(found, registers, zone, body.usage)]


def _answer(usage: Usage, bill: Bill) -> SimulatedBill:
    return SimulatedBill(
        start=usage.start,
        end=usage.end,
        net=bill.net,
        tax=bill.tax,
        total=bill.total,
        lines=bill.lines,
        bank=bill.bank,
    )
