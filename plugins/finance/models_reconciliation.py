"""Tables of reconciliation: a session of one account, items of both sides, baskets of items."""

import enum
from uuid import UUID

from sqlalchemy import Index, Numeric, UniqueConstraint
from sqlalchemy.orm import Mapped

from hub import Currency, Day, Entity, Id, Instant, Label, Minor, Name, Rate, Small, col, ref


class SourceKind(enum.StrEnum):
    BANK_STATEMENT = "bank_statement"
    GATEWAY_SETTLEMENT = "gateway_settlement"
    SMS_WALLET = "sms_wallet"
    CASH_BOX = "cash_box"
    MANUAL = "manual"


class SessionStatus(enum.StrEnum):
    OPEN = "open"
    IN_PROGRESS = "in_progress"
    SETTLED = "settled"
    CANCELLED = "cancelled"


class Session(Entity):
    """One reconciliation. Amounts in minor units of the account; difference: external − book."""

    __tablename__ = "finance_session"
    account_id: Mapped[Id] = ref("finance_account", create_only=True)
    source_kind: Mapped[SourceKind] = col(create_only=True)
    date_from: Mapped[Day] = col(create_only=True)
    date_to: Mapped[Day] = col(create_only=True)
    tolerance: Mapped[Minor] = col(create_only=True, default=0)
    window_days: Mapped[Small] = col(create_only=True, default=3)
    status: Mapped[SessionStatus] = col(read_only=True, default=SessionStatus.OPEN)
    opening_difference: Mapped[Minor] = col(read_only=True, default=0)
    closing_difference: Mapped[Minor | None] = col(read_only=True)
    settled_at: Mapped[Instant | None] = col(read_only=True)


class BasketStatus(enum.StrEnum):
    PROPOSED = "proposed"
    MATCHED = "matched"
    REJECTED = "rejected"


class Basket(Entity):
    """Items that belong together, or may."""

    __tablename__ = "finance_basket"
    __table_args__ = (UniqueConstraint("tenant", "session_id", "basket_no"),)
    session_id: Mapped[Id] = ref("finance_session", read_only=True)
    basket_no: Mapped[Small] = col(read_only=True)
    rule: Mapped[Label] = col(read_only=True)
    score: Mapped[Rate] = col(read_only=True, type_=Numeric(5, 4))
    difference: Mapped[Minor] = col(read_only=True)
    status: Mapped[BasketStatus] = col(read_only=True, default=BasketStatus.PROPOSED)


class Side(enum.StrEnum):
    BOOK = "book"
    EXTERNAL = "external"


class ItemState(enum.StrEnum):
    UNMATCHED = "unmatched"
    PROPOSED = "proposed"
    MATCHED = "matched"


class Item(Entity):
    """A line of the books or of a statement; amount signed, debit positive."""

    __tablename__ = "finance_item"
    __audited__ = False
    __table_args__ = (
        UniqueConstraint("tenant", "session_id", "entry_id", "line_no"),
        Index(
            "uq_finance_item_matched",
            "tenant",
            "entry_id",
            "line_no",
            unique=True,
            postgresql_where="state = 'matched'",
        ),
    )
    session_id: Mapped[Id] = ref("finance_session", read_only=True)
    side: Mapped[Side] = col(read_only=True)
    entry_id: Mapped[Id | None] = col(read_only=True)
    line_no: Mapped[Small | None] = col(read_only=True)
    external_ref: Mapped[Name | None] = col(read_only=True)
    item_date: Mapped[Day] = col(read_only=True)
    amount: Mapped[Minor] = col(read_only=True)
    currency: Mapped[Currency] = col(read_only=True)
    description: Mapped[Name | None] = col(read_only=True)
    party_id: Mapped[UUID | None] = col(read_only=True)
    basket_id: Mapped[Id | None] = ref("finance_basket", read_only=True)
    state: Mapped[ItemState] = col(read_only=True, default=ItemState.UNMATCHED)
