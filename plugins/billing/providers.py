"""Providers of payments: who says that money came, how he is known, and how he is asked.

What a callback says of an amount is never believed: it only names a payment, and the provider is
asked for it over a connection that we open.
"""

import datetime as dt
import hmac
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Annotated, Any, Literal, Protocol
from urllib.parse import quote

import msgspec
from msgspec import Meta, Struct

from hub import HttpClient, HubError, Invalid, Key, Permanent, RawRequest, Unauthenticated

TOLERANCE = dt.timedelta(minutes=5)
Path = Annotated[str, Meta(min_length=1, max_length=100)]


class Wallet(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider that signs its callbacks (HMAC-SHA256) and tells of a payment in JSON.

    company: whose money it is. status_url: where it is asked; `{reference}` is filled in.
    account, amount, …: where the answer has them (`data.amount`). digits: decimals of an amount
    that is told in units of money; None: it is told in minor units.
    """

    name: Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,50}$")]
    company: str
    secret: Annotated[str, Meta(min_length=16)]
    status_url: Annotated[str, Meta(pattern=r"\{reference\}")]
    headers: dict[str, str] = {}
    reference: Path = "reference"
    account: Path = "account"
    amount: Path = "amount"
    currency: Path = "currency"
    state: Path = "state"
    paid: tuple[str, ...] = ("completed",)
    failed: tuple[str, ...] = ("failed", "cancelled")
    digits: Annotated[int, Meta(ge=0, le=4)] | None = None
    timeout: Annotated[float, Meta(gt=0, le=60)] = 10.0


class BillingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """providers: whose callbacks come to `/api/v1/billing/callbacks/<name>`."""

    providers: tuple[Wallet, ...] = ()


class Said(Struct, frozen=True, kw_only=True):
    """What a provider says of a payment when it is asked. amount: minor units."""

    state: Literal["paid", "pending", "failed"]
    account: str = ""
    amount: int = 0
    currency: str = ""


class Provider(Protocol):
    """company: code of the company whose money it is."""

    @property
    def name(self) -> str: ...

    @property
    def company(self) -> str: ...

    def told(self, raw: RawRequest, now: dt.datetime) -> str:
        """The reference of the payment that a callback is about; Unauthenticated if forged."""

    async def ask(self, http: HttpClient, reference: str) -> Said:
        """What became of a payment; LinkError or TimedOut when nobody answers."""


PROVIDERS = Key[Mapping[str, Provider]]("providers of payments")


def sign(secret: str, body: bytes, at: dt.datetime) -> str:
    """The header `X-Signature` of a callback: `t=<seconds>,v1=<hex>` over `<seconds>.<body>`."""
    seconds = str(int(at.timestamp()))
    digest = hmac.new(secret.encode(), seconds.encode() + b"." + body, sha256).hexdigest()
    return f"t={seconds},v1={digest}"


class WalletProvider:
    """`Provider` as its settings describe it."""

    def __init__(self, settings: Wallet) -> None:
        self.settings = settings
        self.name, self.company = settings.name, settings.company

    def told(self, raw: RawRequest, now: dt.datetime) -> str:
        """Check signature and age of a callback before anything of it is read."""
        shown = raw.headers.get("x-signature", "")
        seconds = shown.partition(",")[0].removeprefix("t=")
        if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 11):
            raise Unauthenticated("the callback is not signed")
        at = dt.datetime.fromtimestamp(int(seconds), dt.UTC)
        own = sign(self.settings.secret, raw.body, at)
        if not hmac.compare_digest(own.encode(), shown.encode()):
            raise Unauthenticated("the signature is not this provider's")
        if abs(now - at) > TOLERANCE:
            raise Unauthenticated("the callback is too old")
        found = _at(_json(raw.body), self.settings.reference)
        if not isinstance(found, str) or not 0 < len(found) <= 100 or not found.isprintable():
            raise Invalid("the callback names no payment", field=self.settings.reference)
        return found

    async def ask(self, http: HttpClient, reference: str) -> Said:
        """Ask for a payment; what is neither paid nor failed is pending."""
        known = self.settings
        url = known.status_url.replace("{reference}", quote(reference, safe=""))
        answer = await http.request("GET", url, headers=known.headers, timeout=known.timeout)
        if answer.status != 200:
            raise HubError(f"{known.name} answers {answer.status}")
        body = _json(answer.body)
        state = str(_at(body, known.state))
        if state not in known.paid:
            return Said(state="failed" if state in known.failed else "pending")
        if _at(body, known.reference) != reference:
            raise Permanent(f"{known.name} was asked for {reference} and speaks of another")
        return Said(
            state="paid",
            account=str(_at(body, known.account)),
            amount=self._amount(_at(body, known.amount)),
            currency=str(_at(body, known.currency)),
        )

    def _amount(self, told: Any) -> int:
        """Minor units; never through a float."""
        try:
            scaled = Decimal(str(told)).scaleb(self.settings.digits or 0)
            amount = int(scaled)
        except (InvalidOperation, ValueError, OverflowError):
            raise Permanent(f"{self.name} tells no amount: {told!r}") from None
        if amount != scaled or not 0 < amount <= 10**15:
            raise Permanent(f"{self.name} tells an impossible amount: {told!r}")
        return amount


def _json(body: bytes) -> Any:
    try:
        # Amounts are read as they are written.
        return msgspec.json.Decoder(float_hook=Decimal).decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Invalid(f"not JSON: {error}") from None


def _at(body: Any, path: str) -> Any:
    for name in path.split("."):
        body = body.get(name) if isinstance(body, dict) else None
    return body
