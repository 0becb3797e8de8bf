"""Tables of tariffs. A version that was published never changes: the database sees to it."""

import enum
from typing import Annotated, Any

import msgspec
from msgspec import Struct
from sqlalchemy import Dialect, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from hub import Code, Currency, Day, Entity, Id, Instant, Label, Minor, Name, Small, col, ref

from .tariff.calendar import Calendar
from .tariff.charges import AnyCharge


class Terms(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The charges of a version in the order in which they are priced."""

    charges: tuple[AnyCharge, ...]
    calendar: Calendar | None = None
    basis_days: int | None = None


class TermsColumn(TypeDecorator[Terms]):
    """Terms as `jsonb`."""

    impl = JSONB
    cache_ok = True

    def process_bind_param(self, value: Terms | None, dialect: Dialect) -> Any:
        return msgspec.to_builtins(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Terms | None:
        return None if value is None else msgspec.convert(value, Terms)


class Tariff(Entity):
    """A price list, under the code that meters are told too. reconnect_fee: minor units."""

    __tablename__ = "billing_tariff"
    __table_args__ = (UniqueConstraint("tenant", "code"),)
    code: Mapped[Code]
    name_ar: Mapped[Name]
    name_en: Mapped[Name | None]
    customer_category: Mapped[Label | None]
    currency: Mapped[Currency] = col(create_only=True)
    reconnect_fee: Mapped[Minor] = col(default=0)
    is_active: Mapped[bool] = col(default=True)


class VersionStatus(enum.StrEnum):
    DRAFT = "draft"
    PUBLISHED = "published"


class TariffVersion(Entity):
    """What a tariff charges from a day on, until the next published version.

    number: of versions from one day the higher is valid.
    """

    __tablename__ = "billing_tariff_version"
    __table_args__ = (UniqueConstraint("tenant", "tariff_id", "number"),)
    tariff_id: Mapped[Id] = ref("billing_tariff", create_only=True)
    number: Mapped[Small] = col(read_only=True)
    valid_from: Mapped[Day]
    terms: Mapped[Annotated[Terms, mapped_column(TermsColumn)]]
    status: Mapped[VersionStatus] = col(read_only=True, default=VersionStatus.DRAFT)
    published_at: Mapped[Instant | None] = col(read_only=True)
    published_by: Mapped[Label | None] = col(read_only=True)
