"""Money of customers: payments, what they were used for, and what was given back."""

import enum
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from sqlalchemy import CheckConstraint, Dialect, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from hub import Big, Code, Currency, Day, Entity, Id, Instant, Label, Minor, Prose, col, ref

Amount = Annotated[int, Meta(ge=1, le=10**15)]
Reference = Annotated[str, mapped_column(String(100)), Meta(min_length=1, max_length=100)]


class Means(enum.StrEnum):
    """What money comes in or goes out by; the posting rules know them by these names."""

    CASH = "cash"
    CASH_DESK = "cash_desk"
    BANK = "bank"
    CLEARING = "clearing"


class Tender(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a payment. amount: minor units. reference: number of a cheque or transfer."""

    means: Means
    amount: Amount
    reference: Annotated[str, Meta(max_length=100)] = ""


class TendersColumn(TypeDecorator[list[Tender]]):
    """Tenders as `jsonb`."""

    impl = JSONB
    cache_ok = True

    def process_bind_param(self, value: list[Tender] | None, dialect: Dialect) -> Any:
        return msgspec.to_builtins(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> list[Tender] | None:
        return None if value is None else msgspec.convert(value, list[Tender])


class Channel(enum.StrEnum):
    """How we heard of a payment. It is no part of what the payment is."""

    COUNTER = "counter"
    FILE = "file"
    CALLBACK = "callback"


class PaymentStatus(enum.StrEnum):
    RECEIVED = "received"
    BOUNCED = "bounced"


class Payment(Entity):
    """Money that came in once: (source, reference) is whose number it bears, and the number.

    Amounts in minor units. settled: what bills were paid with it. refunded: what was given back.
    credit: what is left; below 0 if it bounced after something had been given back.
    """

    __tablename__ = "billing_payment"
    __table_args__ = (
        UniqueConstraint("source", "reference", "tenant"),
        UniqueConstraint("series", "number", "tenant"),
        CheckConstraint("amount > 0 AND settled >= 0 AND refunded >= 0", name="signs"),
        CheckConstraint(
            "credit = CASE status WHEN 'received' THEN amount ELSE 0 END - settled - refunded"
            " AND (credit >= 0 OR status = 'bounced')",
            name="credit",
        ),
        Index(
            "ix_billing_payment_credit",
            "account_id",
            "tenant",
            postgresql_where=text("credit <> 0"),
        ),
    )
    payment_no: Mapped[Label] = col(read_only=True)
    series: Mapped[str] = mapped_column(String(20), info={"hidden": True})
    number: Mapped[Big] = col(hidden=True)
    account_id: Mapped[Id] = ref("billing_account", read_only=True)
    source: Mapped[Code] = col(read_only=True)
    reference: Mapped[Reference] = col(read_only=True)
    channel: Mapped[Channel] = col(read_only=True)
    day: Mapped[Day] = col(read_only=True)
    currency: Mapped[Currency] = col(read_only=True)
    amount: Mapped[Minor] = col(read_only=True)
    tenders: Mapped[Annotated[list[Tender], mapped_column(TendersColumn)]] = col(read_only=True)
    settled: Mapped[Minor] = col(read_only=True, default=0)
    refunded: Mapped[Minor] = col(read_only=True, default=0)
    credit: Mapped[Minor] = col(read_only=True)
    status: Mapped[PaymentStatus] = col(read_only=True, default=PaymentStatus.RECEIVED)
    bounced_at: Mapped[Instant | None] = col(read_only=True)
    bounce_reason: Mapped[Prose | None] = col(read_only=True)

    def use(self, amount: int) -> None:
        """Move credit to bills, or back where the amount is negative."""
        self.settled += amount
        self.credit -= amount


class Allocation(Entity):
    """A part of a payment or credit note that covers a bill. Taking it back is a negative one."""

    __tablename__ = "billing_allocation"
    __audited__ = False
    __table_args__ = (
        CheckConstraint("amount <> 0", name="amount"),
        CheckConstraint("num_nonnulls(payment_id, note_id) = 1", name="source"),
    )
    payment_id: Mapped[Id | None] = ref("billing_payment", read_only=True)
    note_id: Mapped[Id | None] = ref("billing_invoice", read_only=True)
    invoice_id: Mapped[Id] = ref("billing_invoice", read_only=True)
    amount: Mapped[Minor] = col(read_only=True)


class Refund(Entity):
    """Credit of a payment that was given back, once under its reference."""

    __tablename__ = "billing_refund"
    __table_args__ = (
        UniqueConstraint("payment_id", "reference", "tenant"),
        CheckConstraint("amount > 0", name="amount"),
    )
    payment_id: Mapped[Id] = ref("billing_payment", read_only=True)
    reference: Mapped[Reference] = col(read_only=True)
    day: Mapped[Day] = col(read_only=True)
    means: Mapped[Means] = col(read_only=True)
    amount: Mapped[Minor] = col(read_only=True)
    reason: Mapped[Prose] = col(read_only=True)
