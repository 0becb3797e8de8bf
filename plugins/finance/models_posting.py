"""Which accounts a fact of business moves, as a company has decided."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from sqlalchemy import Dialect, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from hub import Code, Entity, col


class RuleLine(Struct, frozen=True, forbid_unknown_fields=True):
    """One part of a fact goes to one side of one account.

    account: a code, or the purpose of an account (`@receivables`). party: the line names the party.
    """

    side: Literal["debit", "credit"]
    account: Annotated[str, Meta(min_length=1, max_length=100)]
    part: Annotated[str, Meta(min_length=1, max_length=50)]
    party: bool = False


RuleLines = Annotated[tuple[RuleLine, ...], Meta(min_length=2, max_length=50)]


class LinesColumn(TypeDecorator[tuple[RuleLine, ...]]):
    """Lines as `jsonb`."""

    impl = JSONB
    cache_ok = True

    def process_bind_param(self, value: tuple[RuleLine, ...] | None, dialect: Dialect) -> Any:
        return msgspec.to_builtins(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> tuple[RuleLine, ...] | None:
        return None if value is None else msgspec.convert(value, tuple[RuleLine, ...])


class PostingRule(Entity):
    """How facts of one kind are booked. One that is not active refuses them."""

    __tablename__ = "finance_posting_rule"
    __table_args__ = (UniqueConstraint("tenant", "event_type"),)
    event_type: Mapped[Code] = col(read_only=True)
    lines: Mapped[Annotated[RuleLines, mapped_column(LinesColumn)]]
    is_active: Mapped[bool] = col(default=True)
