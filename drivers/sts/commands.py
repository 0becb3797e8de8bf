"""What the commands of `busbar sts` do."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from uuid import uuid4

import msgspec
import typer

from hub import HubError, Invalid

from . import decoder, sta, tid
from .contents import Credit, CurrencyCredit, MeterTest, Order, Setting
from .identity import Meter, MeterPan
from .issuer import KeyChange, ModuleIssuer, TokenRequest
from .keyfile import load_keys
from .ledger import MemoryLedger, SqliteLedger
from .module import SoftwareModule
from .standard import ALL_REGISTERS, Service, Subclass
from .vectors import Status
from .vectors import verify as judge

# Subclass, and the value when none is given; a limit must be given.
_SETTINGS = {
    "clear-credit": (Subclass.CLEAR_CREDIT, str(ALL_REGISTERS)),
    "clear-tamper": (Subclass.CLEAR_TAMPER_CONDITION, "0"),
    "power-limit": (Subclass.SET_MAXIMUM_POWER_LIMIT, ""),
    "phase-limit": (Subclass.SET_MAXIMUM_PHASE_POWER_UNBALANCE_LIMIT, ""),
}


@contextmanager
def told() -> Iterator[None]:
    """Turn the hub's errors into a line on stderr and exit code 1."""
    try:
        yield
    except HubError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def tables(path: Path | None) -> sta.Tables | None:
    return sta.load_tables(path) if path else None


def module(keys: Path, table_file: Path | None) -> SoftwareModule:
    return SoftwareModule(load_keys(keys), tables(table_file))


def meter(pan: str, sgc: str, krn: int, ti: int, ken: int, ea: str, dkga: str, base: int) -> Meter:
    fields = {
        "pan": str(MeterPan.parse(pan)),
        "supply_group": sgc,
        "key_revision": krn,
        "tariff_index": ti,
        "key_expiry": ken,
        "algorithm": ea,
        "derivation": dkga,
        "base_date": base,
    }
    return _convert(fields)


def changed(
    old: Meter, sgc: str | None, krn: int | None, ti: int | None, ken: int | None, base: int | None
) -> Meter:
    """`old` with what is not None."""
    fields = {
        "supply_group": sgc,
        "key_revision": krn,
        "tariff_index": ti,
        "key_expiry": ken,
        "base_date": base,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    return _convert(msgspec.to_builtins(old) | given)


def _convert(fields: dict[str, object]) -> Meter:
    try:
        return msgspec.convert(fields, Meter)
    except msgspec.ValidationError as error:
        raise Invalid(str(error)) from None


def order(what: str, value: str, service: str) -> Order:
    """What is to be issued, or Invalid."""
    if service.upper() not in Service.__members__:
        raise Invalid(f"service {service!r} is none of electricity, water, gas, time")
    kind = Service[service.upper()]
    match what:
        case "units":
            return Credit(units=_steps(value, 1), service=kind)
        case "currency":
            return CurrencyCredit(amount=_steps(value, 5), service=kind)
        case "test":
            return MeterTest(control=_steps(value, 0))
    if what not in _SETTINGS:
        raise Invalid(f"{what!r} is none of units, currency, test, {', '.join(_SETTINGS)}")
    subclass, default = _SETTINGS[what]
    return Setting(subclass=subclass, value=_steps(value or default, 0))


def _steps(value: str, places: int) -> int:
    """A decimal number in steps of its last place that counts, rounded up."""
    try:
        return int(Decimal(value).scaleb(places).to_integral_value(ROUND_CEILING))
    except (InvalidOperation, ValueError, OverflowError):
        raise Invalid(f"{value!r} is not a number") from None


def issue(
    known: Meter,
    wanted: Order | KeyChange,
    keys: SoftwareModule,
    transaction: str = "",
    ledger: Path | None = None,
    at: datetime | None = None,
    random: int | None = None,
) -> None:
    """Print the tokens of a request, in groups of four."""
    when = at.replace(tzinfo=UTC) if at else datetime.now(UTC)
    chosen = partial(secrets.randbelow, 16) if random is None else lambda: random

    async def run() -> None:
        async with AsyncExitStack() as stack:
            book = await stack.enter_async_context(SqliteLedger.open(ledger)) if ledger else None
            issuer = ModuleIssuer(keys, book or MemoryLedger(), lambda: when, chosen)
            request = TokenRequest(
                meter=known, transaction=transaction or str(uuid4()), order=wanted
            )
            for number in (await issuer.issue(request)).grouped:
                typer.echo(number)

    asyncio.run(run())


def change_key(old: Meter, new: Meter, keys: SoftwareModule) -> None:
    issue(old, KeyChange(to=new), keys)


def decode(token: str, known: Meter | None = None, keys: SoftwareModule | None = None) -> None:
    """Print what a token says, and when it was issued if it carries an identifier."""
    if known is None or keys is None:
        typer.echo(decoder.decode(token))
        return
    content = asyncio.run(keys.decode(known, token))
    typer.echo(content)
    if isinstance(content, Credit | CurrencyCredit | Setting):
        issued = tid.time_of(content.tid, known.base_date)
        typer.echo(f"issued {issued:%Y-%m-%d %H:%M} UTC")


def verify(vectors: Path, table_file: Path | None) -> None:
    """Print what was not reproduced and the counts; exit code 1 if a vector failed."""
    verdicts = list(judge(vectors, tables(table_file)))
    counts = Counter(verdict.status for verdict in verdicts)
    skipped = Counter(v.reason for v in verdicts if v.status is Status.SKIPPED)
    for verdict in verdicts:
        if verdict.status is Status.FAILED:
            typer.echo(f"line {verdict.line}: {verdict.name}: {verdict.reason}")
    for reason, count in skipped.items():
        typer.echo(f"skipped {count}: {reason}")
    typer.echo(", ".join(f"{counts[status]} {status}" for status in Status))
    if counts[Status.FAILED]:
        raise typer.Exit(1)
