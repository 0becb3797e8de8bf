"""Bill runs and what they make. An invoice is written once, with its number, and never changes."""

import datetime as dt
import enum
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    Dialect,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeDecorator, Uuid

from hub import (
    Base,
    Big,
    Code,
    Currency,
    Day,
    Entity,
    Id,
    Instant,
    Json,
    Label,
    Minor,
    Prose,
    Small,
    col,
)

from .tariff import Credit, Line


class Measure(Struct, frozen=True, kw_only=True):
    """What a register counted under one multiplier: (last − first) × multiplier = quantity.

    first, last: totals in thousandths, with all turns of the dials. condition: of the last reading.
    """

    installation: UUID
    meter: str
    register: str
    first_at: dt.datetime
    first: int
    last_at: dt.datetime
    last: int
    multiplier: str
    quantity: int
    condition: str


class Party(Struct, frozen=True, kw_only=True):
    """Whom the bill is for, as it was when the bill was made (R23)."""

    number: str
    code: str
    name_ar: str
    name_en: str | None
    address: str | None
    tax_no: str | None
    place: str
    language: str
    tariff: str


class Statement(Struct, frozen=True, kw_only=True):
    """All that explains a bill: the measures, the lines in the order of the charges, the party.

    bank, demands: what net metering and ratchets carry to the next bill; demands latest first.
    """

    party: Party
    measures: tuple[Measure, ...] = ()
    lines: tuple[Line, ...] = ()
    bank: tuple[Credit, ...] = ()
    demands: tuple[int, ...] = ()


class StatementColumn(TypeDecorator[Statement]):
    """A statement as `jsonb`."""

    impl = JSONB
    cache_ok = True

    def process_bind_param(self, value: Statement | None, dialect: Dialect) -> Any:
        return msgspec.to_builtins(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Statement | None:
        return None if value is None else msgspec.convert(value, Statement)


class RunStatus(enum.StrEnum):
    """selected → calculated → approved → issued; or abandoned before."""

    SELECTED = "selected"
    CALCULATED = "calculated"
    APPROVED = "approved"
    ISSUED = "issued"
    ABANDONED = "abandoned"


class BillRun(Entity):
    """One run of a cycle: bills up to, not with, the day `until`.

    window_days: how old a closing reading may be. high, low: bills beyond so many hundredths of the
    account's last bill are held.
    """

    __tablename__ = "billing_run"
    __table_args__ = (CheckConstraint("window_days BETWEEN 0 AND 62", name="window"),)
    cycle: Mapped[Code] = col(create_only=True)
    until: Mapped[Day] = col(create_only=True)
    issue_date: Mapped[Day] = col(create_only=True)
    window_days: Mapped[Small] = col(create_only=True, default=5)
    high: Mapped[Small] = col(create_only=True, default=300)
    low: Mapped[Small] = col(create_only=True, default=20)
    estimate: Mapped[bool] = col(create_only=True, default=True)
    status: Mapped[RunStatus] = col(read_only=True, default=RunStatus.SELECTED)
    job_id: Mapped[Id | None] = col(read_only=True)
    counts: Mapped[Json] = mapped_column(JSONB, info={"read_only": True}, default=dict)


class ItemState(enum.StrEnum):
    """held: a person decides. failed: cannot be billed, `why` says it. left: out of this run."""

    SELECTED = "selected"
    READY = "ready"
    HELD = "held"
    FAILED = "failed"
    LEFT = "left"
    ISSUED = "issued"


class RunItem(Base):
    """One agreement of a run, frozen when it was selected; the bill before it has a number.

    estimates: the readings that are made up, stored when the bill is issued.
    """

    __tablename__ = "billing_run_item"
    __table_args__ = (
        Index("ix_billing_run_item_state", "run_id", "state", "place", "tenant"),
        Index("ix_billing_run_item_agreement", "agreement_id", "tenant"),
    )
    tenant: Mapped[Id] = mapped_column(primary_key=True)
    run_id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    place: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    agreement_id: Mapped[UUID] = mapped_column(Uuid())
    state: Mapped[str] = mapped_column(String(10), default="selected")
    code: Mapped[str | None] = mapped_column(String(30))
    why: Mapped[str | None] = mapped_column(String(500))
    total: Mapped[int | None] = mapped_column(BigInteger)
    bill: Mapped[Any | None] = mapped_column(JSONB)


class InvoiceStatus(enum.StrEnum):
    """Marks on a bill that itself never changes: what payments and cancelling made of it."""

    ISSUED = "issued"
    PARTIALLY_PAID = "partially_paid"
    PAID = "paid"
    CANCELLED = "cancelled"


class InvoiceKind(enum.StrEnum):
    CONSUMPTION = "consumption"
    FEE = "fee"
    CREDIT_NOTE = "credit_note"
    DEBIT_NOTE = "debit_note"


class Invoice(Entity):
    """A bill or note with its legal number. Amounts in minor units; a credit note is negative.

    quantity: thousandths of the energy billed. readings: whose later correction makes it a
    candidate to be billed again. paid: what allocations have covered of the total.
    """

    __tablename__ = "billing_invoice"
    __audited__ = False
    __table_args__ = (
        UniqueConstraint("series", "number", "tenant"),
        Index(
            "uq_billing_invoice_period",
            "agreement_id",
            "period_start",
            "tenant",
            unique=True,
            postgresql_where=text("kind = 'consumption' AND status <> 'cancelled'"),
        ),
        Index("ix_billing_invoice_account", "account_id", "due_date", "tenant"),
        Index(
            "ix_billing_invoice_open",
            "due_date",
            "tenant",
            postgresql_where=text("status IN ('issued', 'partially_paid')"),
        ),
        Index("ix_billing_invoice_run", "run_id", "tenant"),
        CheckConstraint("net + tax = total", name="sum"),
        CheckConstraint("paid BETWEEN least(total, 0) AND greatest(total, 0)", name="paid"),
    )
    invoice_no: Mapped[Label] = col(read_only=True)
    series: Mapped[str] = mapped_column(String(20), info={"hidden": True})
    number: Mapped[Big] = col(hidden=True)
    kind: Mapped[InvoiceKind] = col(read_only=True)
    account_id: Mapped[Id] = col(read_only=True)
    agreement_id: Mapped[Id | None] = col(read_only=True)
    run_id: Mapped[Id | None] = col(read_only=True)
    corrects_id: Mapped[Id | None] = col(read_only=True)
    tariff_id: Mapped[Id | None] = col(read_only=True)
    period_start: Mapped[Day | None] = col(read_only=True)
    period_end: Mapped[Day | None] = col(read_only=True)
    issue_date: Mapped[Day] = col(read_only=True)
    due_date: Mapped[Day] = col(read_only=True)
    currency: Mapped[Currency] = col(read_only=True)
    quantity: Mapped[Big] = col(read_only=True, default=0)
    net: Mapped[Minor] = col(read_only=True)
    tax: Mapped[Minor] = col(read_only=True)
    total: Mapped[Minor] = col(read_only=True)
    paid: Mapped[Minor] = col(read_only=True, default=0)
    estimated: Mapped[bool] = col(read_only=True, default=False)
    status: Mapped[InvoiceStatus] = col(read_only=True, default=InvoiceStatus.ISSUED)
    cancelled_at: Mapped[Instant | None] = col(read_only=True)
    cancel_reason: Mapped[Prose | None] = col(read_only=True)
    readings: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()), info={"hidden": True})
    statement: Mapped[Annotated[Statement, mapped_column(StatementColumn)]] = col(read_only=True)


class Numbers(Base):
    """The last number given in a series of a year; its row lock orders all that take one (R21).

    last_day: of what has that number; no later number bears an earlier day (R22).
    """

    __tablename__ = "billing_numbers"
    tenant: Mapped[Id] = mapped_column(primary_key=True)
    series: Mapped[str] = mapped_column(String(20), primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger, default=0)
    last_day: Mapped[dt.date] = mapped_column(Date)
