"""What happens between meter and cash, as other plugins hear of it."""

import datetime as dt
from uuid import UUID

from hub import Event


class CustomerCreated(Event, frozen=True, tag="subscriber.created"):
    customer_id: UUID
    code: str


class MeterInstalled(Event, frozen=True, tag="meter.updated"):
    meter_id: UUID
    service_point_id: UUID
    action: str


class ReadingTaken(Event, frozen=True, tag="subscriber.meter_reading"):
    """value: thousandths on the dials. status: `suspect` waits for a person."""

    reading_id: UUID
    meter_id: UUID
    account_id: UUID | None
    register: str
    at: dt.datetime
    value: int
    status: str


class InvoiceCreated(Event, frozen=True, tag="invoice.created"):
    """total: minor units."""

    invoice_id: UUID
    invoice_no: str
    account_id: UUID
    total: int


class InvoiceCancelled(Event, frozen=True, tag="invoice.cancelled"):
    invoice_id: UUID
    invoice_no: str
    account_id: UUID
    reason: str


class InvoicePaid(Event, frozen=True, tag="invoice.paid"):
    invoice_id: UUID
    invoice_no: str
    account_id: UUID


class InvoiceReopened(Event, frozen=True, tag="invoice.reopened"):
    """A bill that was paid is not any more. owed: minor units."""

    invoice_id: UUID
    invoice_no: str
    account_id: UUID
    owed: int


class PaymentReceived(Event, frozen=True, tag="payment.completed"):
    """amount, credit (what no bill took): minor units."""

    payment_id: UUID
    payment_no: str
    account_id: UUID
    amount: int
    credit: int


class PaymentBounced(Event, frozen=True, tag="payment.bounced"):
    """amount: minor units."""

    payment_id: UUID
    payment_no: str
    account_id: UUID
    amount: int
    reason: str


class PaymentRefunded(Event, frozen=True, tag="payment.refunded"):
    """amount: minor units."""

    payment_id: UUID
    payment_no: str
    account_id: UUID
    amount: int


EVENTS: tuple[type[Event], ...] = (
    CustomerCreated,
    InvoiceCancelled,
    InvoiceCreated,
    InvoicePaid,
    InvoiceReopened,
    MeterInstalled,
    PaymentBounced,
    PaymentReceived,
    PaymentRefunded,
    ReadingTaken,
)
