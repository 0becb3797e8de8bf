"""Who is supplied, where, through which meter, and on which terms: four things, linked by dates.

Nothing here says that a customer has a meter. A customer has accounts; an account has agreements
about service points; a meter is installed at a service point from an instant to another. Triggers
refuse two meters at one point, one meter at two points and two agreements about one point at once.

Unique keys name the tenant last: beside the primary key, nothing may look as good for a row's key
to a planner that has no statistics yet.
"""

import enum
from decimal import Decimal
from typing import Annotated

from msgspec import Meta
from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub import (
    Code,
    Currency,
    Day,
    Email,
    Entity,
    Id,
    Instant,
    Label,
    Locale,
    Name,
    Phone,
    Prose,
    Rate,
    col,
    ref,
)

Days = Annotated[int, mapped_column(Integer), Meta(ge=0, le=365)]
Amperes = Annotated[int, mapped_column(Integer), Meta(ge=0, le=10**6)]
VoltAmperes = Annotated[int, mapped_column(BigInteger), Meta(ge=0, le=10**9)]
Capacity = Annotated[int, mapped_column(BigInteger), Meta(ge=1, le=10**15)]


class CustomerStatus(enum.StrEnum):
    ACTIVE = "active"
    CLOSED = "closed"


class Customer(Entity):
    """A person or body that is supplied. is_protected: never cut off by a machine."""

    __tablename__ = "billing_customer"
    __table_args__ = (UniqueConstraint("code", "tenant"),)
    code: Mapped[Code]
    name_ar: Mapped[Name]
    name_en: Mapped[Name | None]
    category: Mapped[Label] = col(default="residential")
    phone: Mapped[Phone | None]
    email: Mapped[Email | None]
    language: Mapped[Locale] = col(default="ar")
    address: Mapped[Prose | None]
    tax_no: Mapped[Label | None]
    is_protected: Mapped[bool] = col(default=False)
    status: Mapped[CustomerStatus] = col(read_only=True, default=CustomerStatus.ACTIVE)


class Account(Entity):
    """What a customer owes and pays under one number. cycle: which bill runs take it."""

    __tablename__ = "billing_account"
    __table_args__ = (UniqueConstraint("number", "tenant"),)
    customer_id: Mapped[Id] = ref("billing_customer", create_only=True)
    number: Mapped[Code] = col(create_only=True)
    currency: Mapped[Currency] = col(create_only=True)
    cycle: Mapped[Code] = col(default="monthly")
    due_days: Mapped[Days] = col(default=15)
    status: Mapped[CustomerStatus] = col(read_only=True, default=CustomerStatus.ACTIVE)


class Premise(Entity):
    """A place that is supplied."""

    __tablename__ = "billing_premise"
    __table_args__ = (UniqueConstraint("code", "tenant"),)
    code: Mapped[Code]
    address: Mapped[Prose]
    region: Mapped[Label | None]


class Supply(enum.StrEnum):
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"


class ServicePoint(Entity):
    """Where supply is delivered and measured. va: the agreed power; 0: not agreed."""

    __tablename__ = "billing_service_point"
    __table_args__ = (
        UniqueConstraint("code", "tenant"),
        CheckConstraint("amperes >= 0 AND va >= 0", name="size"),
    )
    code: Mapped[Code]
    premise_id: Mapped[Id] = ref("billing_premise")
    station_id: Mapped[Id | None]
    amperes: Mapped[Amperes] = col(default=0)
    va: Mapped[VoltAmperes] = col(default=0)
    supply: Mapped[Supply] = col(read_only=True, default=Supply.CONNECTED)
    supply_since: Mapped[Instant | None] = col(read_only=True)


class PaymentMode(enum.StrEnum):
    POSTPAID = "postpaid"
    PREPAID = "prepaid"


class MeterStatus(enum.StrEnum):
    IN_STOCK = "in_stock"
    INSTALLED = "installed"
    RETIRED = "retired"


class Meter(Entity):
    """A device. external_id: its name on the platform that it reports to."""

    __tablename__ = "billing_meter"
    __table_args__ = (
        UniqueConstraint("number", "tenant"),
        UniqueConstraint("manufacturer", "external_id", "tenant"),
    )
    number: Mapped[Code]
    external_id: Mapped[Label | None]
    manufacturer: Mapped[Label] = col(default="other")
    model: Mapped[Label | None]
    payment_mode: Mapped[PaymentMode] = col(default=PaymentMode.POSTPAID)
    status: Mapped[MeterStatus] = col(read_only=True, default=MeterStatus.IN_STOCK)


class Register(Entity):
    """What a meter counts. Values are thousandths of the unit (Wh, varh) as the dials show them.

    name: `import`, `export`, `kvarh`. capacity: where the dials return to 0; None: never.
    address: of the point that reports it, in the notation of its driver.
    """

    __tablename__ = "billing_register"
    __table_args__ = (
        UniqueConstraint("meter_id", "name", "tenant"),
        CheckConstraint("capacity > 0", name="capacity"),
    )
    meter_id: Mapped[Id] = ref("billing_meter", create_only=True, cascade=True)
    name: Mapped[Code] = col(create_only=True)
    capacity: Mapped[Capacity | None] = col(create_only=True)
    address: Mapped[Label | None]


class Installation(Entity):
    """[since, until): a meter measures a service point through one multiplier (CT × PT).

    When transformers are changed the meter stays and another installation begins, so that a use is
    always the sum of what was measured under each multiplier.
    """

    __tablename__ = "billing_installation"
    __table_args__ = (
        CheckConstraint("until IS NULL OR until > since", name="span"),
        CheckConstraint("multiplier > 0", name="multiplier"),
        Index(None, "service_point_id", "since", "tenant"),
    )
    meter_id: Mapped[Id] = ref("billing_meter", read_only=True)
    service_point_id: Mapped[Id] = ref("billing_service_point", read_only=True)
    multiplier: Mapped[Rate] = col(read_only=True, default=Decimal(1))
    since: Mapped[Instant] = col(read_only=True)
    until: Mapped[Instant | None] = col(read_only=True)
    reason: Mapped[Label | None] = col(read_only=True)


class Agreement(Entity):
    """[since, until): an account pays what a service point uses, by a tariff."""

    __tablename__ = "billing_agreement"
    __table_args__ = (
        CheckConstraint("until IS NULL OR until > since", name="span"),
        Index(None, "service_point_id", "since", "tenant"),
    )
    account_id: Mapped[Id] = ref("billing_account", create_only=True)
    service_point_id: Mapped[Id] = ref("billing_service_point", create_only=True)
    tariff_id: Mapped[Id] = ref("billing_tariff", create_only=True)
    since: Mapped[Day] = col(create_only=True)
    until: Mapped[Day | None] = col(read_only=True)
    parked: Mapped[Prose | None] = col(read_only=True)
