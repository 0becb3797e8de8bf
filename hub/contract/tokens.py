"""Prepayment tokens (IEC 62055-41) for whoever sells them; who holds the keys stays behind this.

A token is worth money: it shows in no `repr`, and belongs into a database only sealed (`Vault`).
"""

import enum
from typing import Annotated, Literal, Protocol

from msgspec import Meta, Struct

from .context import Ctx


class TokenKind(enum.StrEnum):
    """What a token does, and what `TokenOrder.value` then is."""

    CREDIT = "credit"  # Wh
    CURRENCY = "currency"  # 0.00001 of the currency; negative takes credit back
    POWER_LIMIT = "set_power_limit"  # W
    PHASE_LIMIT = "set_phase_limit"  # W between the phases
    CLEAR_CREDIT = "clear_credit"
    CLEAR_TAMPER = "clear_tamper"
    TEST = "test"  # number of the test or display, 0 = all
    KEY_CHANGE = "key_change"


class TokenMeter(Struct, frozen=True, kw_only=True):
    """What a vending system knows of a meter.

    number: MeterPAN (18 digits), or the DRN on its plate (11 or 13). The others name its key:
    supply group code, key revision, key type (1 default, 2 unique), tariff index, key expiry
    number, base date. algorithm: EA 07 or 11. derivation: DKGA 02 or 04.
    """

    number: Annotated[str, Meta(min_length=11, max_length=30)]
    supply_group: Annotated[str, Meta(pattern=r"^\d{6}$")]
    key_revision: Annotated[int, Meta(ge=1, le=9)] = 1
    key_type: Literal[1, 2] = 2
    tariff_index: Annotated[int, Meta(ge=0, le=99)] = 1
    key_expiry: Annotated[int, Meta(ge=0, le=255)] = 255
    algorithm: Literal["07", "11"] = "11"
    derivation: Literal["02", "04"] = "04"
    base_date: Literal[1993, 2014, 2035] = 2014


class TokenOrder(Struct, frozen=True, kw_only=True):
    """reference: the caller's own, unique for the meter. to: of KEY_CHANGE, the meter under its
    new key."""

    reference: Annotated[str, Meta(min_length=1, max_length=100)]
    meter: TokenMeter
    kind: TokenKind
    value: int = 0
    to: TokenMeter | None = None


class IssuedTokens(Struct, frozen=True, kw_only=True):
    """numbers: 20 digits each; a key change has 2 to 4, to be entered in this order.

    value: what they carry. An amount may be more than was asked for: it is rounded up to what a
    token can say, in the customer's favour.
    """

    reference: str
    meter: str
    kind: TokenKind
    numbers: tuple[str, ...]
    value: int = 0

    @property
    def grouped(self) -> tuple[str, ...]:
        """In groups of four, as printed for the customer."""
        return tuple(" ".join(n[i : i + 4] for i in range(0, len(n), 4)) for n in self.numbers)

    @property
    def masked(self) -> tuple[str, ...]:
        """What may be shown to anybody."""
        return tuple(f"{'*' * (len(n) - 4)}{n[-4:]}" for n in self.numbers)

    def __repr__(self) -> str:
        return f"IssuedTokens({self.meter}, {self.reference!r}, {', '.join(self.masked)})"

    __str__ = __repr__


class TokenIssuer(Protocol):
    """Tokens for the meters of the actor's company. The plugin `sts` implements it."""

    async def issue(self, ctx: Ctx, order: TokenOrder) -> IssuedTokens:
        """The tokens of that reference: asked again, also after a crash, the same ones.

        What was issued stays issued even if the caller's transaction rolls back; so commit the
        reference before asking. Raises Invalid for what the standard forbids, Conflict if the
        reference was another order or was taken back, NotFound without a key for the meter,
        Unavailable or LinkError if it may be tried again, ConfigError if nobody is set up.
        """

    async def reverse(self, ctx: Ctx, order: TokenOrder) -> None:
        """Take back tokens that no customer has seen: they are not given out again.

        Raises NotFound if there are none, Conflict if they were delivered.
        """

    async def meter(self, ctx: Ctx, number: str) -> TokenMeter:
        """What the vending server knows of a meter; NotFound, or Unsupported without a server."""
