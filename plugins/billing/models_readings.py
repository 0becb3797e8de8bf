"""Readings: every version that ever counted, and what validation said of it."""

import datetime as dt
import enum
from uuid import UUID

from sqlalchemy import BigInteger, Index, SmallInteger, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from hub import Base, Big, Code, Entity, Id, Instant, Label, Name, Small, Strings, col, ref


class Reason(enum.StrEnum):
    """Why a meter was read."""

    PERIODIC = "periodic"
    INSTALL = "install"
    REMOVE = "remove"
    MOVE_IN = "move_in"
    MOVE_OUT = "move_out"
    CONTROL = "control"


class Condition(enum.StrEnum):
    """How a value came about; a later one of these may replace an earlier one."""

    ESTIMATED = "estimated"
    SUBSTITUTED = "substituted"
    ACTUAL = "actual"
    EDITED = "edited"

    @property
    def rank(self) -> int:
        return list(Condition).index(self)


class ReadingStatus(enum.StrEnum):
    """Only what is valid is billed. replaced: another version counts now."""

    VALID = "valid"
    SUSPECT = "suspect"
    REJECTED = "rejected"
    REPLACED = "replaced"


class Source(enum.StrEnum):
    TELEMETRY = "telemetry"
    FILE = "file"
    PERSON = "person"
    PORTAL = "portal"
    ESTIMATE = "estimate"


class Reading(Entity):
    """One version of what a register showed. value: thousandths, as the dials show it.

    total: value with all turns of the dials since the installation. faults: what validation found.
    rule: by which rule an estimate was made.
    """

    __tablename__ = "billing_reading"
    __audited__ = False
    __table_args__ = (
        # One version counts at a time: two that come at once cannot both be stored.
        Index(
            "uq_billing_reading_live",
            "installation_id",
            "register",
            "at",
            "tenant",
            unique=True,
            postgresql_where=text("status IN ('valid', 'suspect')"),
        ),
    )
    installation_id: Mapped[Id] = ref("billing_installation", read_only=True)
    register: Mapped[Code] = col(read_only=True)
    at: Mapped[Instant] = col(read_only=True)
    value: Mapped[Big] = col(read_only=True)
    total: Mapped[Big] = col(read_only=True)
    reason: Mapped[Reason] = col(read_only=True, default=Reason.PERIODIC)
    condition: Mapped[Condition] = col(read_only=True, default=Condition.ACTUAL)
    status: Mapped[ReadingStatus] = col(read_only=True, default=ReadingStatus.VALID)
    version: Mapped[Small] = col(read_only=True, default=1)
    replaces_id: Mapped[Id | None] = col(read_only=True)
    source: Mapped[Source] = col(read_only=True)
    faults: Mapped[Strings] = col(read_only=True, default=list)
    rule: Mapped[Label | None] = col(read_only=True)
    taken_by: Mapped[Label | None] = col(read_only=True)
    note: Mapped[Name | None] = col(read_only=True)


class Intervals(Base):
    """Energy (thousandths) of intervals of `minutes` that begin at `start`, one after the other.

    A row lies in one UTC day.
    """

    __tablename__ = "billing_intervals"
    tenant: Mapped[Id] = mapped_column(primary_key=True)
    installation_id: Mapped[UUID] = mapped_column(primary_key=True)
    register: Mapped[str] = mapped_column(primary_key=True)
    start: Mapped[dt.datetime] = mapped_column(primary_key=True)
    minutes: Mapped[int] = mapped_column(SmallInteger)
    energy: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
