"""Money and energy as whole numbers; one rounding, half up, where a line of an invoice ends."""

from decimal import ROUND_HALF_UP, Decimal

MICRO = 1_000_000
DIGITS = {
    "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
    "CLP": 0, "ISK": 0, "JPY": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0, "VND": 0, "XAF": 0,
    "XOF": 0,
}  # fmt: skip


def digits(currency: str) -> int:
    """Decimal places of a currency's minor unit (ISO 4217)."""
    return DIGITS.get(currency, 2)


def half_up(value: Decimal) -> int:
    """The nearest integer; a half goes away from zero."""
    return int(value.quantize(Decimal(1), ROUND_HALF_UP))


def ratio(amount: int, numerator: int, denominator: int) -> int:
    """`amount * numerator / denominator` in whole numbers, rounded once, half away from zero."""
    if denominator == 0:
        raise ZeroDivisionError("a share of nothing")
    product = amount * numerator
    sign = -1 if (product < 0) != (denominator < 0) else 1
    return sign * ((2 * abs(product) + abs(denominator)) // (2 * abs(denominator)))


def price(quantity_wh: int, per_kwh_micro: int) -> int:
    """Minor units for an energy in Wh at a price in micro-units per kWh."""
    return ratio(quantity_wh, per_kwh_micro, 1000 * MICRO)


def to_minor(text: str | Decimal, currency: str) -> int:
    """`"12.34"` → 1234; more places than the currency has are refused."""
    scaled = Decimal(text).scaleb(digits(currency))
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{text} has more decimals than {currency} has")
    return int(scaled)


def from_minor(amount: int, currency: str) -> str:
    """1234 → `"12.34"`."""
    return f"{Decimal(amount).scaleb(-digits(currency)):f}"
