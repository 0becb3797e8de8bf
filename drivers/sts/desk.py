"""Tokens for the rest of the hub: its orders in the words of the standard, and back."""

from collections.abc import Callable

import msgspec

from hub import (
    UNIT,
    ConfigError,
    Ctx,
    Invalid,
    IssuedTokens,
    TokenKind,
    TokenMeter,
    TokenOrder,
    Unsupported,
)

from .book import Book
from .contents import Credit, CurrencyCredit, MeterTest, Order, Setting, clear_credit, clear_tamper
from .decoder import amount_of
from .encoder import unit_code
from .identity import Meter, MeterPan
from .issuer import Issuer, KeyChange, ModuleIssuer, TokenRequest, fingerprint
from .ledger import Reservation
from .module import SecurityModule
from .settings import Vending
from .standard import Algorithm, BaseDate, Derivation, KeyType, Subclass
from .vending import VendingServer

STEP = 100  # Wh: what a token counts in
TESTS = 36  # bits that ask for tests

_LIMITS = {
    TokenKind.POWER_LIMIT: Subclass.SET_MAXIMUM_POWER_LIMIT,
    TokenKind.PHASE_LIMIT: Subclass.SET_MAXIMUM_PHASE_POWER_UNBALANCE_LIMIT,
}


class ModuleDesk:
    """`hub.TokenIssuer` over a security module that we reach, with the ledger of the centre."""

    def __init__(self, module: SecurityModule) -> None:
        self._module = module

    async def issue(self, ctx: Ctx, order: TokenOrder) -> IssuedTokens:
        """See the contract."""
        issuer = ModuleIssuer(self._module, Book(ctx.get(UNIT), ctx.actor), ctx.clock)
        return await _issue(issuer, order)

    async def reverse(self, ctx: Ctx, order: TokenOrder) -> None:
        """They are given out no more; whether a customer has seen them only the caller knows."""
        request = request_of(order)
        reservation = Reservation(
            pan=request.meter.pan,
            base=request.meter.base_date,
            transaction=request.transaction,
            fingerprint=fingerprint(request),
            tid=None,
            random=0,
        )
        await Book(ctx.get(UNIT), ctx.actor).void(reservation)

    async def meter(self, ctx: Ctx, number: str) -> TokenMeter:
        raise Unsupported("a security module knows keys, not meters")


class VendingDesk:
    """`hub.TokenIssuer` behind a vending server."""

    def __init__(self, settings: Vending) -> None:
        self._settings = settings

    async def issue(self, ctx: Ctx, order: TokenOrder) -> IssuedTokens:
        """See the contract."""
        return await _issue(self._server(ctx), order)

    async def reverse(self, ctx: Ctx, order: TokenOrder) -> None:
        await self._server(ctx).reverse(request_of(order))

    async def meter(self, ctx: Ctx, number: str) -> TokenMeter:
        found = await self._server(ctx).meter(str(MeterPan.parse(number)))
        return told(found)

    def _server(self, ctx: Ctx) -> VendingServer:
        return VendingServer(ctx.http, self._settings, self._settings.credential)


class ClosedDesk:
    """`hub.TokenIssuer` where nobody said who issues."""

    async def issue(self, ctx: Ctx, order: TokenOrder) -> IssuedTokens:
        raise self._closed()

    async def reverse(self, ctx: Ctx, order: TokenOrder) -> None:
        raise self._closed()

    async def meter(self, ctx: Ctx, number: str) -> TokenMeter:
        raise self._closed()

    @staticmethod
    def _closed() -> ConfigError:
        return ConfigError("say in [plugin.sts] who issues tokens: `keys` or `vending`")


async def _issue(issuer: Issuer, order: TokenOrder) -> IssuedTokens:
    request, value = request_of(order), carried(order)
    token = await issuer.issue(request)
    return IssuedTokens(
        reference=order.reference,
        meter=token.pan,
        kind=order.kind,
        numbers=token.numbers,
        value=value,
    )


def request_of(order: TokenOrder) -> TokenRequest:
    """The order in the words of the standard, or Invalid."""
    try:
        msgspec.convert(msgspec.to_builtins(order), TokenOrder)
    except msgspec.ValidationError as error:
        raise Invalid(str(error)) from None
    return TokenRequest(
        meter=meter_of(order.meter), transaction=order.reference, order=content_of(order)
    )


def meter_of(meter: TokenMeter) -> Meter:
    return Meter(
        pan=str(MeterPan.parse(meter.number)),
        supply_group=meter.supply_group,
        tariff_index=meter.tariff_index,
        key_revision=meter.key_revision,
        key_type=KeyType(meter.key_type),
        key_expiry=meter.key_expiry,
        algorithm=Algorithm(meter.algorithm),
        derivation=Derivation(meter.derivation),
        base_date=BaseDate(meter.base_date),
    )


def told(meter: Meter) -> TokenMeter:
    if meter.key_type not in {KeyType.DEFAULT, KeyType.UNIQUE}:
        raise Unsupported(f"meter {meter.pan} has a key of type {meter.key_type.name}")
    return TokenMeter(
        number=meter.pan,
        supply_group=meter.supply_group,
        key_revision=meter.key_revision,
        key_type=1 if meter.key_type is KeyType.DEFAULT else 2,
        tariff_index=meter.tariff_index,
        key_expiry=meter.key_expiry,
        algorithm=meter.algorithm.value,
        derivation=meter.derivation.value,
        base_date=meter.base_date.value,
    )


def content_of(order: TokenOrder) -> Order | KeyChange:
    """What is to be issued, or Invalid."""
    if (order.to is None) is (order.kind is TokenKind.KEY_CHANGE):
        raise Invalid("a key change, and nothing else, says what it changes `to`", field="to")
    if order.to is not None:
        return KeyChange(to=meter_of(order.to))
    if order.kind in _PLAIN:
        if order.value:
            raise Invalid(f"{order.kind} has no value", field="value")
        return _PLAIN[order.kind]()
    if order.kind is TokenKind.CURRENCY:
        return CurrencyCredit(amount=order.value)
    if order.value < 0 or (order.kind is TokenKind.CREDIT and not order.value):
        raise Invalid(f"{order.kind} of {order.value} makes no sense", field="value")
    if order.kind is TokenKind.CREDIT:
        return Credit(units=-(-order.value // STEP))
    if order.kind is TokenKind.TEST:
        if order.value > TESTS:
            raise Invalid(f"there are {TESTS} tests", field="value")
        return MeterTest(control=1 << (order.value - 1) if order.value else (1 << TESTS) - 1)
    return Setting(subclass=_LIMITS[order.kind], value=order.value)


def carried(order: TokenOrder) -> int:
    """The order's value as its token says it."""
    match content_of(order):
        case Credit(units=units):
            return STEP * amount_of(*unit_code(units))
        case CurrencyCredit(amount=amount):
            magnitude = amount_of(*unit_code(abs(amount), 32, amount < 0))
            return -magnitude if amount < 0 else magnitude
        case Setting() if order.kind in _LIMITS:
            return amount_of(*unit_code(order.value))
        case _:
            return order.value


_PLAIN: dict[TokenKind, Callable[[], Order]] = {
    TokenKind.CLEAR_CREDIT: clear_credit,
    TokenKind.CLEAR_TAMPER: clear_tamper,
}
