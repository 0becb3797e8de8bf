"""Journal entries before they are posted: pure values, and what can be told without the books."""

import datetime as dt
import hashlib
from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

import msgspec

from hub import Invalid

from .errors import Unbalanced

ONE = Decimal(1)
LARGEST = 10**17
RATE_DECIMALS = 9
_LENGTHS = {"kind": 100, "key": 200, "description": 10_000, "reference_type": 100}
_LINE_LENGTHS = {"description": 500, "party_type": 30}


class Line(msgspec.Struct, frozen=True):
    """amount: minor units of the account's currency, debit positive, credit negative, never 0.

    account: a code (`1210`), or the purpose of an account of this company (`@receivables`).
    party: whose balance it is on a control account. rate: what one unit of the account's currency
    was worth in the company's, for the record.
    """

    account: str
    amount: int
    party_type: str | None = None
    party_id: UUID | None = None
    station_id: UUID | None = None
    project_id: UUID | None = None
    description: str | None = None
    fx_rate: Decimal = ONE


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What shall be posted. day: the value date, which decides the period.

    kind, key: name the fact once and for ever; posting them again gives the first entry, and
    posting anything else under them is refused. Without a key nothing protects from a second post.
    next_open: if the period of `day` is closed, book on the first day of the first open one and
    keep `day` as the date of the event. adjustment: into period 13 of the year.
    """

    kind: str
    day: dt.date
    description: str
    lines: tuple[Line, ...]
    key: str | None = None
    reference_type: str | None = None
    reference_id: UUID | None = None
    next_open: bool = False
    adjustment: bool = False

    @property
    def total(self) -> int:
        """Sum of the debits; of several currencies it only tells that entries differ."""
        return sum(x.amount for x in self.lines if x.amount > 0)


def debit(account: str, amount: int, **more: object) -> Line:
    return Line(account, amount, **more)  # type: ignore[arg-type]


def credit(account: str, amount: int, **more: object) -> Line:
    return Line(account, -amount, **more)  # type: ignore[arg-type]


def check(entry: Entry) -> None:
    """Refuse what no chart of accounts could make right."""
    if len(entry.lines) < 2:
        raise Unbalanced("an entry has at least two lines", lines=len(entry.lines))
    _check_texts(entry, _LENGTHS, "")
    for number, line in enumerate(entry.lines, 1):
        _check_texts(line, _LINE_LENGTHS, f"line {number}: ")
        if abs(line.amount) > LARGEST:
            raise Invalid(f"line {number}: {line.amount} is no amount of money", field="amount")
        if line.fx_rate <= 0 or round(line.fx_rate, RATE_DECIMALS) != line.fx_rate:
            raise Invalid(f"line {number}: a rate is positive, with at most 9 decimals")
        if line.amount == 0:
            raise Unbalanced(f"line {number} moves nothing: leave it out", line=number)
    # each currency has to balance, so the plain sum is 0 whatever the currencies are
    if difference := sum(x.amount for x in entry.lines):
        raise Unbalanced(
            f"debits and credits differ by {abs(difference)} minor units",
            difference=abs(difference),
        )


def _check_texts(of: Entry | Line, lengths: dict[str, int], place: str) -> None:
    for name, longest in lengths.items():
        value = getattr(of, name)
        if value is not None and (len(value) > longest or "\0" in value):
            told = f"{place}{name} has at most {longest} characters, none of them NUL"
            raise Invalid(told, field=name)


def digest(
    entry_day: dt.date,
    kind: str,
    key: str | None,
    description: str,
    reference: tuple[str | None, UUID | None],
    lines: Iterable[Line],
) -> bytes:
    """SHA-256 of all that an entry says; the leading number is the version of this form."""
    said = (1, entry_day, kind, key, description, *reference, [_said(x) for x in lines])
    return hashlib.sha256(msgspec.json.encode(said)).digest()


def _said(x: Line) -> tuple[object, ...]:
    rate = f"{x.fx_rate.normalize():f}" if x.fx_rate != ONE else "1"
    where = (x.party_type, x.party_id, x.station_id, x.project_id)
    return (x.account, x.amount, rate, *where, x.description)


def digest_of(entry: Entry) -> bytes:
    reference = (entry.reference_type, entry.reference_id)
    return digest(entry.day, entry.kind, entry.key, entry.description, reference, entry.lines)


def mirrored(lines: Iterable[Line]) -> tuple[Line, ...]:
    """The same lines with debit and credit exchanged."""
    return tuple(msgspec.structs.replace(x, amount=-x.amount) for x in lines)


def entry_no(fiscal_year: int, number: int) -> str:
    return f"JV-{fiscal_year}-{number:06}"
