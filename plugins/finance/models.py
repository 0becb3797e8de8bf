"""Tables of the books. Money is whole minor units; an amount is signed, debit positive."""

import datetime as dt
import enum
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Index,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

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
    Name,
    Prose,
    Rate,
    Small,
    col,
    ref,
)


class AccountType(enum.StrEnum):
    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    REVENUE = "revenue"
    EXPENSE = "expense"


class Account(Entity):
    """One account. purpose: what the machine uses it for, at most one account each.

    is_control: the sum of a sub-ledger; each of its lines names a party.
    """

    __tablename__ = "finance_account"
    __table_args__ = (
        UniqueConstraint("tenant", "code"),
        UniqueConstraint("tenant", "purpose"),
    )
    code: Mapped[Code] = col(create_only=True)
    name_ar: Mapped[Name]
    name_en: Mapped[Name | None]
    account_type: Mapped[AccountType]
    parent_id: Mapped[Id | None] = ref("finance_account")
    level: Mapped[Small] = col(read_only=True, default=1)
    is_postable: Mapped[bool] = col(default=True)
    is_intermediate: Mapped[bool] = col(default=False)
    is_control: Mapped[bool] = col(default=False)
    currency: Mapped[Currency]
    purpose: Mapped[Label | None] = col(read_only=True)
    is_active: Mapped[bool] = col(default=True)


class CompanyCurrency(Entity):
    """A currency that the company uses, with its own number of decimals."""

    __tablename__ = "finance_currency"
    __table_args__ = (
        UniqueConstraint("tenant", "code"),
        CheckConstraint("digits BETWEEN 0 AND 6", name="digits"),
    )
    code: Mapped[Currency] = col(create_only=True)
    digits: Mapped[Small]
    is_base: Mapped[bool] = col(read_only=True, default=False)


class ExchangeRate(Entity):
    """What one unit of a currency was worth in the company's own from that day on."""

    __tablename__ = "finance_rate"
    __table_args__ = (
        UniqueConstraint("tenant", "currency", "day"),
        CheckConstraint("rate > 0", name="positive"),
    )
    currency: Mapped[Currency] = col(create_only=True)
    day: Mapped[Day] = col(create_only=True)
    rate: Mapped[Rate]
    source: Mapped[Label]


class PeriodStatus(enum.StrEnum):
    FUTURE = "future"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class Period(Entity):
    """A month of a fiscal year, or its 13th period for adjustments on the last day."""

    __tablename__ = "finance_period"
    __table_args__ = (
        UniqueConstraint("tenant", "fiscal_year", "period_no"),
        Index(None, "tenant", "start_date"),
        CheckConstraint("period_no BETWEEN 1 AND 13", name="number"),
        CheckConstraint("start_date <= end_date", name="dates"),
    )
    fiscal_year: Mapped[Small] = col(read_only=True)
    period_no: Mapped[Small] = col(read_only=True)
    start_date: Mapped[Day] = col(read_only=True)
    end_date: Mapped[Day] = col(read_only=True)
    status: Mapped[PeriodStatus] = col(read_only=True, default=PeriodStatus.OPEN)
    closed_at: Mapped[Instant | None] = col(read_only=True)
    closed_by: Mapped[Label | None] = col(read_only=True)
    reopened_at: Mapped[Instant | None] = col(read_only=True)
    reopened_by: Mapped[Label | None] = col(read_only=True)
    reopen_reason: Mapped[Prose | None] = col(read_only=True)


class Series(Base):
    """The last number given in a fiscal year. Its row lock orders all postings of the year."""

    __tablename__ = "finance_series"
    tenant: Mapped[Id] = mapped_column(primary_key=True)
    fiscal_year: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    last: Mapped[int] = mapped_column(BigInteger, default=0)


class EntryStatus(enum.StrEnum):
    DRAFT = "draft"
    POSTED = "posted"
    REVERSED = "reversed"


class JournalEntry(Entity):
    """A voucher. A draft keeps its lines in `draft`; a posted one never changes again.

    entry_date: the value date; event_date: when it really happened. into_closing: posted while
    its period was closing. Posted entries are their own audit, sealed in `finance_seal`.
    """

    __tablename__ = "finance_entry"
    __table_args__ = (
        # the tenant comes last: beside the primary key, nothing may look as good for a row's key
        UniqueConstraint("fiscal_year", "number", "tenant"),
        UniqueConstraint("kind", "key", "tenant"),
        UniqueConstraint("reversed_entry_id", "tenant"),
        Index(None, "entry_date", "tenant"),
        Index(None, "reference_id", "tenant"),
    )
    entry_no: Mapped[Label | None] = col(read_only=True)
    fiscal_year: Mapped[Small | None] = col(read_only=True, type_=SmallInteger())
    number: Mapped[Big | None] = col(hidden=True)
    entry_date: Mapped[Day]
    event_date: Mapped[Day]
    period_id: Mapped[Id | None] = col(read_only=True)
    description: Mapped[Prose]
    kind: Mapped[Label]
    key: Mapped[Name | None]
    reference_type: Mapped[Label | None]
    reference_id: Mapped[Id | None]
    status: Mapped[EntryStatus] = col(read_only=True, default=EntryStatus.DRAFT)
    total: Mapped[Minor] = col(read_only=True, default=0)
    line_count: Mapped[Small] = col(hidden=True, default=0, type_=SmallInteger())
    drafted_by: Mapped[Label | None] = col(read_only=True)
    posted_at: Mapped[Instant | None] = col(read_only=True)
    posted_by: Mapped[Label | None] = col(read_only=True)
    reversed_entry_id: Mapped[Id | None] = col(read_only=True)
    reversed_by_id: Mapped[Id | None] = col(read_only=True)
    reversal_reason: Mapped[Prose | None] = col(read_only=True)
    into_closing: Mapped[bool] = col(hidden=True, default=False)
    adjustment: Mapped[bool] = col(default=False)
    digest: Mapped[bytes | None] = mapped_column(LargeBinary, info={"hidden": True})
    draft: Mapped[Json | None] = col(hidden=True)


class JournalLine(Base):
    """A line of a posted entry: written once, never changed, never deleted.

    What references would say is checked by a trigger per statement, because a foreign key would
    lock the row of a busy account once per line.
    """

    __tablename__ = "finance_line"
    __table_args__ = (
        CheckConstraint("amount <> 0", name="moves"),
        Index(
            None, "account_id", "entry_date", "tenant", postgresql_include=("amount", "entry_id")
        ),
        Index(
            "ix_finance_line_party",
            "party_id",
            "account_id",
            "tenant",
            postgresql_where="party_id IS NOT NULL",
        ),
    )
    tenant: Mapped[Id] = mapped_column(primary_key=True)
    entry_id: Mapped[Id] = mapped_column(primary_key=True)
    line_no: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    account_id: Mapped[Id]
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    entry_date: Mapped[dt.date]
    fx_rate: Mapped[Rate] = mapped_column(Numeric(18, 9), default=1)
    description: Mapped[str | None] = mapped_column(String(500))
    party_type: Mapped[str | None] = mapped_column(String(30))
    party_id: Mapped[UUID | None]
    station_id: Mapped[UUID | None]
    project_id: Mapped[UUID | None]


class Seal(Base):
    """A link of the chain over posted entries: numbers `first`..`last` of a fiscal year.

    leaves: 16 bytes of each entry's SHA-256, in order. hash: of the link before and the leaves.
    """

    __tablename__ = "finance_seal"
    tenant: Mapped[Id] = mapped_column(primary_key=True)
    fiscal_year: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    first: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    last: Mapped[int] = mapped_column(BigInteger)
    leaves: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_at: Mapped[Instant]


class CachedBalance(Base):
    """Movements of an account in a month, of the entries up to `finance_rolled`."""

    __tablename__ = "finance_balance"
    tenant: Mapped[Id] = mapped_column(primary_key=True)
    account_id: Mapped[Id] = mapped_column(primary_key=True)
    month: Mapped[dt.date] = mapped_column(primary_key=True)
    debit: Mapped[int] = mapped_column(BigInteger)
    credit: Mapped[int] = mapped_column(BigInteger)


class Rolled(Base):
    """Up to which number of a fiscal year the cached balances go."""

    __tablename__ = "finance_rolled"
    tenant: Mapped[Id] = mapped_column(primary_key=True)
    fiscal_year: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    last: Mapped[int] = mapped_column(BigInteger)


class Proof(Entity):
    """The result of one proof of the books. faults: what does not agree, empty when all does."""

    __tablename__ = "finance_proof"
    __audited__ = False
    proved_at: Mapped[Instant] = col(read_only=True)
    entries: Mapped[Big] = col(read_only=True)
    sound: Mapped[bool] = col(read_only=True)
    faults: Mapped[Json] = mapped_column(JSONB, info={"read_only": True})
