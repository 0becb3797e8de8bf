"""Issuing tokens: one transaction of one meter has one token, however often it is asked for."""

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta, Struct

from .contents import Credit, CurrencyCredit, Order, Setting
from .errors import NoIdentifier, NotIssued
from .identity import Meter, MeterPan
from .ledger import Ledger, Reservation
from .module import SecurityModule
from .standard import Algorithm, BaseDate, Derivation, KeyType, Subclass
from .tid import last_tid, tid_at

_AHEAD = 1440  # minutes: more tokens than that for one meter at once is an attack or a bug
_SECTIONS = frozenset(
    {
        Subclass.SET_1ST_SECTION_DECODER_KEY,
        Subclass.SET_2ND_SECTION_DECODER_KEY,
        Subclass.SET_3RD_SECTION_DECODER_KEY,
        Subclass.SET_4TH_SECTION_DECODER_KEY,
    }
)


class KeyChange(Struct, frozen=True, kw_only=True, tag="key_change"):
    """Move the meter to the key that `to` names by group, revision, tariff index, base date."""

    to: Meter


class TokenRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """transaction: the caller's own reference, unique per meter."""

    meter: Meter
    transaction: Annotated[str, Meta(min_length=1, max_length=120)]
    order: Order | KeyChange


class Token(Struct, frozen=True, kw_only=True):
    """What was issued. numbers: 20 digits each, more than one for a key change.

    They are worth money: neither `repr` nor `str` shows more than the last four digits.
    """

    pan: str
    transaction: str
    numbers: tuple[str, ...]
    order: Order | KeyChange

    @property
    def masked(self) -> tuple[str, ...]:
        return tuple(f"{'*' * 16}{number[-4:]}" for number in self.numbers)

    @property
    def grouped(self) -> tuple[str, ...]:
        """In groups of four, as printed for the customer."""
        return tuple(
            " ".join(number[i : i + 4] for i in range(0, 20, 4)) for number in self.numbers
        )

    def __repr__(self) -> str:
        return f"Token({self.pan}, {self.transaction!r}, {', '.join(self.masked)})"

    __str__ = __repr__


class Issuer(Protocol):
    async def issue(self, request: TokenRequest) -> Token:
        """The token of that transaction; the same one again if it was asked for before.

        Raises NotIssued for what the standard forbids, Conflict if the transaction was another
        request, Unavailable if it may be tried again.
        """


class ModuleIssuer:
    """Issues through a security module that we reach, with our own ledger.

    random: the 4 bits that set apart two tokens of one minute; meters give them no meaning.
    """

    def __init__(
        self,
        module: SecurityModule,
        ledger: Ledger,
        clock: Callable[[], datetime],
        random: Callable[[], int] = lambda: secrets.randbelow(16),
    ) -> None:
        self._module, self._ledger, self._clock, self._random = module, ledger, clock, random

    async def issue(self, request: TokenRequest) -> Token:
        meter, order = request.meter, request.order
        check_request(request)
        reservation = await self._reserve(request)
        if isinstance(order, KeyChange):
            numbers = await self._module.change_key(meter, order.to)
        else:
            if reservation.tid is not None:
                order = with_identifier(order, reservation.tid, reservation.random)
            numbers = (await self._module.encode(meter, order),)
        return Token(pan=meter.pan, transaction=request.transaction, numbers=numbers, order=order)

    async def _reserve(self, request: TokenRequest) -> Reservation:
        meter = request.meter
        timed = isinstance(request.order, Credit | CurrencyCredit | Setting)
        now = tid_at(self._clock(), meter.base_date) if timed else None
        wanted = Reservation(
            pan=meter.pan,
            base=meter.base_date,
            transaction=request.transaction,
            fingerprint=fingerprint(request),
            tid=now,
            random=self._random(),
        )
        expiry = last_tid(meter.key_expiry)
        try:
            return await self._ledger.reserve(wanted, min((now or 0) + _AHEAD, expiry))
        except NoIdentifier:
            if now is not None and now + _AHEAD < expiry:
                raise NoIdentifier(
                    f"meter {meter.pan} has used the identifiers of a day ahead"
                ) from None
            raise NoIdentifier(
                f"KeyExpiredError: the key of meter {meter.pan} ended with KEN "
                f"{meter.key_expiry}; change its key first"
            ) from None


def fingerprint(request: TokenRequest) -> str:
    return hashlib.sha256(msgspec.json.encode(request, order="deterministic")).hexdigest()


def with_identifier(order: Order, tid: int, random: int) -> Order:
    """The order as it goes into the token; currency tokens have no random number."""
    if isinstance(order, CurrencyCredit):
        return msgspec.structs.replace(order, tid=tid)
    return msgspec.structs.replace(order, tid=tid, random=random)


def check_request(request: TokenRequest) -> None:
    """Raise NotIssued for what no vending system may do (6.5.2, 6.3.5)."""
    try:
        msgspec.convert(msgspec.to_builtins(request), TokenRequest)
    except msgspec.ValidationError as error:
        raise NotIssued(str(error)) from None
    meter, order = request.meter, request.order
    MeterPan.parse(meter.pan)
    if meter.derivation is Derivation.DKGA02 and meter.algorithm is not Algorithm.STA:
        raise NotIssued("DKGA02 makes keys of EA07 only; EA11 needs DKGA04")
    if isinstance(order, Credit | CurrencyCredit):
        if meter.key_type is KeyType.DEFAULT:
            raise NotIssued("DDTKError: a default key cannot carry credit")
        if meter.base_date is BaseDate.Y1993:
            raise NotIssued(
                "identifiers of base date 1993 ended on 2024-11-24: change the meter's key to "
                "base date 2014 first"
            )
    if isinstance(order, Setting) and order.subclass in _SECTIONS:
        raise NotIssued("key sections are issued as a key change")
    if isinstance(order, KeyChange):
        _check_change(meter, order.to)


def _check_change(old: Meter, new: Meter) -> None:
    if (old.pan, old.algorithm) != (new.pan, new.algorithm):
        raise NotIssued("a key change keeps the meter and its encryption algorithm")
    if new.key_type is not KeyType.UNIQUE and new.key_type is not old.key_type:
        raise NotIssued(f"KeyTypeError: {old.key_type.name} to {new.key_type.name}")
    if new.base_date < old.base_date:
        raise NotIssued("a base date cannot go back")
