"""Amounts as clients see them: a decimal string, with the decimals of the company's currency."""

from typing import Annotated

from msgspec import Meta
from sqlalchemy import select

from hub import Ctx, Invalid
from hub.contract.units import digits as iso_digits

from . import rules
from .models import CompanyCurrency

Amount = Annotated[str, Meta(pattern=r"^-?[0-9]{1,15}(\.[0-9]{1,6})?$")]


class Scales:
    """Decimals by currency; one that the company has not defined has the usual ones."""

    def __init__(self, known: dict[str, int]) -> None:
        self._known = known

    @classmethod
    async def of(cls, ctx: Ctx) -> "Scales":
        found = await ctx.db.execute(select(CompanyCurrency.code, CompanyCurrency.digits))
        return cls({row.code: row.digits for row in found})

    def digits(self, currency: str) -> int:
        return self._known.get(currency, iso_digits(currency))

    def text(self, amount: int, currency: str) -> str:
        return rules.to_text(amount, self.digits(currency))

    def minor(self, text: str, currency: str, field: str = "amount") -> int:
        try:
            return rules.from_text(text, self.digits(currency))
        except ValueError as error:
            raise Invalid(f"{field}: {error} in {currency}", field=field) from None
