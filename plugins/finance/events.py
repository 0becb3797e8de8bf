"""What happens to the books."""

from uuid import UUID

from hub import Event


class AccountCreated(Event, frozen=True, tag="account.created"):
    account_id: UUID
    code: str


class AccountUpdated(Event, frozen=True, tag="account.updated"):
    account_id: UUID
    changed: list[str]


class JournalCreated(Event, frozen=True, tag="journal.created"):
    entry_id: UUID
    entry_date: str
    total: int


class JournalPosted(Event, frozen=True, tag="journal.posted"):
    entry_id: UUID
    entry_no: str
    total: int
    reference_type: str | None
    reference_id: UUID | None


class JournalReversed(Event, frozen=True, tag="journal.reversed"):
    entry_id: UUID
    entry_no: str
    reversing_entry_no: str


class ReportGenerated(Event, frozen=True, tag="finance.report_generated"):
    report: str
    period: str


class SettlementCompleted(Event, frozen=True, tag="finance.settlement_completed"):
    session_id: UUID
    account: str
    amount: int


class PeriodWasClosed(Event, frozen=True, tag="finance.period_closed"):
    fiscal_year: int
    period_no: int


class PeriodReopened(Event, frozen=True, tag="finance.period_reopened"):
    fiscal_year: int
    period_no: int
    reason: str


class ReconciliationMismatch(Event, frozen=True, tag="finance.reconciliation_mismatch"):
    session_id: UUID
    items: int
    difference: int


EVENTS = (
    AccountCreated,
    AccountUpdated,
    JournalCreated,
    JournalPosted,
    JournalReversed,
    ReportGenerated,
    SettlementCompleted,
    PeriodWasClosed,
    PeriodReopened,
    ReconciliationMismatch,
)
