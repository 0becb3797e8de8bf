"""Vocabulary of columns: one alias carries the SQL type and what a client may send.

`code: Mapped[Code]` makes a `varchar(50)` column and a JSON string with a pattern.
"""

import datetime as dt
import decimal
import uuid
from typing import Annotated, Any

from msgspec import Meta
from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    Dialect,
    Float,
    Integer,
    Numeric,
    String,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import mapped_column
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[dt.datetime]):
    """`timestamptz` that refuses naive values and always returns UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a stored time needs a zone")
        return value

    def process_result_value(
        self, value: dt.datetime | None, dialect: Dialect
    ) -> dt.datetime | None:
        return value.astimezone(dt.UTC) if value is not None else None


Id = Annotated[uuid.UUID, mapped_column(Uuid)]
Code = Annotated[
    str,
    mapped_column(String(50)),
    Meta(min_length=1, max_length=50, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-/]*$"),
]
Name = Annotated[str, mapped_column(String(200)), Meta(min_length=1, max_length=200)]
Label = Annotated[str, mapped_column(String(100)), Meta(max_length=100)]
Prose = Annotated[str, mapped_column(Text), Meta(max_length=10_000)]
Email = Annotated[
    str,
    mapped_column(String(255)),
    Meta(min_length=3, max_length=255, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$"),
]
Phone = Annotated[
    str, mapped_column(String(50)), Meta(max_length=50, pattern=r"^\+?[0-9 ()\-]{5,}$")
]
Locale = Annotated[str, mapped_column(String(10)), Meta(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")]
Zone = Annotated[str, mapped_column(String(50)), Meta(min_length=1, max_length=50)]
Currency = Annotated[str, mapped_column(String(3)), Meta(pattern=r"^[A-Z]{3}$")]
Instant = Annotated[dt.datetime, mapped_column(UtcDateTime), Meta(tz=True)]
Day = Annotated[dt.date, mapped_column(Date)]
Small = Annotated[int, mapped_column(Integer), Meta(ge=-(2**31), le=2**31 - 1)]
Big = Annotated[int, mapped_column(BigInteger), Meta(ge=-(2**63), le=2**63 - 1)]
Minor = Annotated[
    int,
    mapped_column(BigInteger),
    Meta(ge=-(2**63), le=2**63 - 1, description="Money in minor units of its currency"),
]
MicroPrice = Annotated[
    int,
    mapped_column(BigInteger),
    Meta(ge=0, le=2**63 - 1, description="Price of one unit in millionths of a minor unit"),
]
Wh = Annotated[
    int, mapped_column(BigInteger), Meta(ge=-(2**63), le=2**63 - 1, description="Energy in Wh")
]
Rate = Annotated[decimal.Decimal, mapped_column(Numeric(18, 9))]
Measured = Annotated[
    float, mapped_column(Float(53)), Meta(description="A measured or engineering value")
]
Json = Annotated[dict[str, Any], mapped_column(JSONB)]
Strings = Annotated[list[str], mapped_column(JSONB)]
