"""Which identifiers were given to whom: what the centre keeps of tokens. No token, no key."""

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped

from hub import Entity, Label, Name, Small, col


class Issuance(Entity):
    """One order that was granted. tid: None for tokens without one. base: year that it counts from.

    fingerprint: of the whole order, so that another one under its reference is noticed. number: the
    4 bits that set tokens of one minute apart. is_void: taken back.
    """

    __tablename__ = "sts_issuance"
    __table_args__ = (
        UniqueConstraint("tenant", "pan", "reference"),
        Index("uq_sts_issuance_tid", "tenant", "pan", "base", "tid", unique=True),
    )
    pan: Mapped[Label] = col(create_only=True)
    reference: Mapped[Name] = col(create_only=True)
    base: Mapped[Small] = col(create_only=True)
    tid: Mapped[Small | None] = col(create_only=True)
    number: Mapped[Small] = col(create_only=True, hidden=True)
    fingerprint: Mapped[Label] = col(create_only=True, hidden=True)
    is_void: Mapped[bool] = col(default=False)
