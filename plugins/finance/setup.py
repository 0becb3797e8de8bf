"""Opening the books of the caller's company over the API."""

from typing import Annotated

import msgspec
from msgspec import Meta

from hub import Ctx, action

from .books import open_books


class OpenBooks(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """digits: decimals of the currency, where the company's differ from the usual ones."""

    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
    year: Annotated[int, Meta(ge=1900, le=9999)]
    digits: Annotated[int, Meta(ge=0, le=6)] | None = None


@action("setup", permission="finance.accounts.write", status=204)
async def setup(ctx: Ctx, body: OpenBooks) -> None:
    """Make currency, chart of accounts and fiscal year, as far as they are missing."""
    await open_books(ctx, currency=body.currency, year=body.year, digits=body.digits)
