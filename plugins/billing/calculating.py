"""The calculating half of a bill run: from frozen agreements to bills that wait to be issued.

Each chunk is a transaction; a run that is killed goes on with what is still `selected`.
"""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import groupby
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select

from hub import Ctx, uuid7
from plugins.identity import Tenant

from .asking import Place, ask, peers
from .estimation import Asked
from .interval_store import find
from .measuring import Made, Stuck, lacks_end, measure
from .models import Tariff, TariffVersion, VersionStatus
from .models_bills import BillRun, Party, RunStatus, Statement
from .parts import parts_of
from .resources import version
from .sql_bills import BY_KEY, CALCULATED, COUNTS, MATERIAL, SELECT_ITEMS
from .tariff import Bill, Credit, Demand, TariffError, TimeOfUse, Usage, Version, rate
from .tariff.history import Series, measured

CHUNK = 1000
Open = Callable[[], AbstractAsyncContextManager[Ctx]]
Progress = Callable[[float], Awaitable[None]]
SPARE = 1000  # thousandths by which intervals and registers may differ, or a hundredth


class Tariffs:
    """Versions, codes and usual use by tariff, loaded once in a run."""

    def __init__(self, versions: dict[UUID, list[Version]], codes: dict[UUID, str]) -> None:
        self.versions, self.codes = versions, codes
        self.peers: dict[UUID, float] = {}
        self.timed = {
            ident
            for ident, found in versions.items()
            if any(isinstance(c, TimeOfUse | Demand) for v in found for c in v.charges)
        }

    @classmethod
    async def load(cls, ctx: Ctx) -> "Tariffs":
        rows = {t.id: t for t in await ctx.db.scalars(select(Tariff))}
        stmt = select(TariffVersion).where(TariffVersion.status == VersionStatus.PUBLISHED)
        found: dict[UUID, list[Version]] = {}
        for v in await ctx.db.scalars(stmt.order_by(TariffVersion.number)):
            found.setdefault(v.tariff_id, []).append(
                version(rows[v.tariff_id], v.valid_from, v.terms)
            )
        return cls(found, {t.id: t.code for t in rows.values()})


async def zone_of(ctx: Ctx) -> str:
    found = await ctx.db.scalar(select(Tenant.timezone).where(Tenant.id == ctx.actor.tenant))
    return found or "UTC"


async def select_items(ctx: Ctx, run: BillRun) -> int:
    """Freeze which agreements the run is about; how many."""
    connection = await ctx.db.connection()
    arguments = {"tenant": ctx.actor.tenant, "run": run.id, "cycle": run.cycle, "until": run.until}
    done = await connection.exec_driver_sql(SELECT_ITEMS, arguments)
    return done.rowcount


async def counts(ctx: Ctx, run: UUID) -> dict[str, Any]:
    """By state, and for what does not go through by itself by code: how many and how much."""
    connection = await ctx.db.connection()
    rows = await connection.exec_driver_sql(COUNTS, {"tenant": ctx.actor.tenant, "run": run})
    found: dict[str, Any] = {}
    for row in rows:
        state = found.setdefault(row.state, {"count": 0, "total": 0, "codes": {}})
        state["count"] += row.many
        state["total"] += row.total
        if row.code:
            state["codes"][row.code] = row.many
    return found


async def calculate(open_: Open, run_id: UUID, progress: Progress) -> dict[str, Any]:
    """Calculate what is selected, chunk by chunk, and mark the run as calculated."""
    async with open_() as ctx:
        tariffs, zone = await Tariffs.load(ctx), await zone_of(ctx)
        run = await the_run(ctx, run_id, RunStatus.SELECTED, RunStatus.CALCULATED)
        tariffs.peers = await peers(ctx, run.until)
    done = 0
    while True:
        async with open_() as ctx:
            run = await the_run(ctx, run_id, RunStatus.SELECTED, RunStatus.CALCULATED)
            many = await _chunk(ctx, run, tariffs, zone)
            done += many
            if not many:
                run.status = RunStatus.CALCULATED
                run.counts = await counts(ctx, run_id)
                return run.counts
        await progress(done)


async def the_run(ctx: Ctx, ident: UUID, *states: RunStatus) -> BillRun:
    """The run, locked, if it is in one of these states; else Stuck says where it is."""
    stmt = select(BillRun).where(BillRun.id == ident).with_for_update()
    run = await ctx.db.scalar(stmt)
    if run is None or run.status not in states:
        where = "not there" if run is None else str(run.status)
        raise Stuck("state", f"the bill run is {where}")
    return run


async def _chunk(ctx: Ctx, run: BillRun, tariffs: Tariffs, zone: str) -> int:
    connection = await ctx.db.connection()
    arguments = {
        "tenant": ctx.actor.tenant,
        "run": run.id,
        "until": run.until,
        "zone": zone,
        "window": run.window_days,
        "many": CHUNK,
    }
    await connection.exec_driver_sql(BY_KEY, {"on": "off"})
    rows = (await connection.exec_driver_sql(MATERIAL, arguments)).all()
    if not rows:
        return 0
    intervals = await _intervals(ctx, rows, tariffs)
    asked = await ask(ctx, [r for r in rows if lacks_end(r)], intervals, tariffs.peers)
    maker = Maker(run, tariffs, zone, asked, intervals)
    made = await asyncio.to_thread(maker.all, rows)
    written = {"tenant": ctx.actor.tenant, "run": run.id, "rows": made.decode()}
    await connection.exec_driver_sql(CALCULATED, written)
    return maker.count


async def _intervals(
    ctx: Ctx, rows: Sequence[Any], tariffs: Tariffs
) -> dict[UUID, dict[str, Series]]:
    timed = [r for r in rows if r.tariff_id in tariffs.timed and r.installation_id is not None]
    if not timed:
        return {}
    start, end = min(r.starts_at for r in timed), max(r.ends_at for r in timed)
    return dict(await find(ctx, list({r.installation_id for r in timed}), start, end))


class Maker:
    """Makes the bills of one chunk."""

    def __init__(
        self,
        run: BillRun,
        tariffs: Tariffs,
        zone: str,
        asked: dict[Place, Asked],
        intervals: dict[UUID, dict[str, Series]],
    ) -> None:
        self.run, self.tariffs, self.zone = run, tariffs, zone
        self.asked, self.intervals = asked, intervals
        self.count = 0
        # Block limits and period charges are for the calendar month before `until`.
        self.cycle_days = (run.until.replace(day=1) - dt.timedelta(days=1)).day

    def all(self, rows: Sequence[Any]) -> bytes:
        """The items of a chunk as JSON."""
        return msgspec.json.encode([self.item(list(g)) for _, g in groupby(rows, _place)])

    def item(self, rows: list[Any]) -> dict[str, Any]:
        self.count += 1
        first = rows[0]
        try:
            bill = self.bill(first, rows)
        except Stuck as stuck:
            state = "held" if stuck.held else "left" if stuck.code in LEFT else "failed"
            return _answer(first.place, state, stuck.code, stuck.why)
        except TariffError as error:
            return _answer(first.place, "failed", "unpriced", str(error))
        code, why = self.doubt(first, bill)
        return _answer(first.place, "held" if code else "ready", code, why, bill)

    def bill(self, first: Any, rows: list[Any]) -> dict[str, Any]:
        if first.starts >= first.ends:
            raise Stuck("billed", "billed up to this day already")
        if first.parked:
            raise Stuck("parked", first.parked, held=True)
        versions = self.tariffs.versions.get(first.tariff_id)
        if not versions:
            raise Stuck("no_tariff", "its tariff has no published version")
        made = measure(rows, self.asked, self.run.estimate)
        usage = self.usage(first, made)
        priced, demands = self.price(first, versions, usage, made)
        return self.written(first, made, usage, priced, demands)

    def usage(self, first: Any, made: Made) -> Usage:
        return Usage(
            start=first.starts,
            end=first.ends,
            quantities=made.quantities(),
            amperes=first.amperes,
            kva=first.va,
            cycle_days=self.cycle_days,
            bank=msgspec.convert(first.bank or (), tuple[Credit, ...]),
            past_demands=tuple(first.demands or ()),
        )

    def price(
        self, first: Any, versions: list[Version], usage: Usage, made: Made
    ) -> tuple[Bill, tuple[int, ...]]:
        if first.tariff_id not in self.tariffs.timed:
            return rate(versions, usage), ()
        registers = self.registers(made)
        timed = measured(versions[-1], registers, self.zone, usage)
        for name, scalar in usage.quantities.items():
            by_time = timed.quantities.get(name, 0)
            if abs(by_time - scalar) > max(SPARE, scalar // 100):
                told = f"{name}: intervals sum to {by_time / 1000:g}, dials to {scalar / 1000:g}"
                raise Stuck("sum_check", told, held=True)
        demands = ((timed.demand_w or 0), *usage.past_demands)[:12] if timed.demand_w else ()
        return rate(versions, timed), demands

    def registers(self, made: Made) -> dict[str, Series]:
        found = [self.intervals.get(m.installation, {}) for m in made.measures]
        if len({m.installation for m in made.measures}) > 1:
            raise Stuck("exchanged", "intervals of two meters: bill by hand", held=True)
        if not found or "import" not in found[0]:
            raise Stuck("no_intervals", "the tariff asks for intervals, and there are none")
        return found[0]

    def written(
        self, first: Any, made: Made, usage: Usage, bill: Bill, demands: tuple[int, ...]
    ) -> dict[str, Any]:
        party = Party(
            number=first.number,
            code=first.code,
            name_ar=first.name_ar,
            name_en=first.name_en,
            address=first.address,
            tax_no=first.tax_no,
            place=first.place_address,
            language=first.language,
            tariff=self.tariffs.codes[first.tariff_id],
        )
        return {
            "id": uuid7(),
            "account_id": first.account_id,
            "tariff_id": first.tariff_id,
            "period_start": usage.start,
            "period_end": usage.end,
            "due_days": first.due_days,
            "currency": first.currency,
            "quantity": usage.quantities.get("import", 0),
            "net": bill.total - bill.tax,
            "tax": bill.tax,
            "total": bill.total,
            "estimated": made.estimated,
            "readings": made.used,
            "estimates": made.made_up,
            "parts": parts_of(bill.lines),
            "statement": Statement(
                party=party,
                measures=tuple(made.measures),
                lines=bill.lines,
                bank=bill.bank,
                demands=demands,
            ),
        }

    def doubt(self, first: Any, bill: dict[str, Any]) -> tuple[str | None, str | None]:
        """Whether a person has to look: against what the account paid for a day before."""
        if bill["currency"] != self.tariffs.versions[first.tariff_id][-1].currency:
            return "currency", "the tariff and the account have two currencies"
        if not first.last_total or first.last_total <= 0 or first.last_estimated:
            return None, None
        days = (first.last_end - first.last_start).days
        usual = first.last_total * (bill["period_end"] - bill["period_start"]).days / days
        if bill["total"] * 100 > usual * self.run.high:
            return "high", f"{bill['total']}, by the last bill {usual:.0f} were to be expected"
        if bill["total"] * 100 < usual * self.run.low:
            return "low", f"{bill['total']}, by the last bill {usual:.0f} were to be expected"
        return None, None


LEFT = {"billed", "prepaid"}


def _place(row: Any) -> int:
    place: int = row.place
    return place


def _answer(
    place: int, state: str, code: str | None, why: str | None, bill: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "place": place,
        "state": state,
        "code": code,
        "why": why[:500] if why else None,
        "total": bill["total"] if bill else None,
        "bill": bill,
    }
