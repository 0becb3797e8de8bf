"""Who carries messages out of the house: SMTP servers, and providers that are asked by HTTP."""

import asyncio
import datetime as dt
import logging
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any, Protocol
from urllib.parse import urlencode
from uuid import UUID

import aiosmtplib
import msgspec

from hub import Channel, HttpClient, HubError, LinkError

from . import texts
from .settings import HttpProvider, NotificationSettings, Smtp

log = logging.getLogger(__name__)
KEPT = 500  # characters of an error
Clock = Callable[[], dt.datetime]


class Refused(HubError):
    """This provider will never take this message."""

    code = "message_refused"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent. id: the same at every attempt."""

    id: UUID
    to: str
    subject: str
    body: str
    locale: str
    type_code: str


class Provider(Protocol):
    """Carries messages of one channel."""

    name: str

    async def send(self, message: Message) -> str:
        """The provider's own number of it, or "". Refused: for good; LinkError: try again."""


class SmtpProvider:
    """An SMTP server (RFC 5321), over TLS unless told otherwise."""

    def __init__(self, settings: Smtp, clock: Clock) -> None:
        self.name, self._settings, self._clock = settings.name, settings, clock
        self._tls: ssl.SSLContext | None = None

    async def send(self, message: Message) -> str:
        known = self._settings
        if self._tls is None and known.security != "none":
            self._tls = await asyncio.to_thread(_trust, known.ca_file)
        try:
            mail = letter(known.sender, message, self._clock())
        except ValueError as error:
            raise Refused(f"{message.to!r} cannot be written to: {error}") from None
        try:
            await aiosmtplib.send(
                mail,
                hostname=known.host,
                port=known.port,
                username=known.username or None,
                password=known.password or None,
                use_tls=known.security == "tls",
                start_tls=known.security == "starttls",
                tls_context=self._tls,
                timeout=known.timeout,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            refusal = error.recipients[0]
            raise _failure(refusal.code, refusal.message) from None
        except aiosmtplib.SMTPResponseException as error:
            raise _failure(error.code, error.message) from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise LinkError(f"{self.name}: {error or type(error).__name__}") from None
        return str(mail["Message-ID"])


def _trust(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


def _failure(code: int, text: str) -> HubError:
    """5xx of a message is for good; 4xx, and what concerns the sign-in, may be mended."""
    said = f"{code} {text}"[:KEPT]
    return Refused(said) if 550 <= code <= 556 and code != 552 else LinkError(said)


def letter(sender: str, message: Message, now: dt.datetime) -> EmailMessage:
    """The mail as it is sent: plain text, and the same as HTML."""
    mail = EmailMessage()
    name, address = parseaddr(sender)
    local, _, domain = address.rpartition("@")
    to, _, to_domain = message.to.rpartition("@")
    mail["From"] = Address(name, local, domain)
    mail["To"] = Address("", to, to_domain)
    mail["Subject"] = message.subject
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{message.id}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["Content-Language"] = message.locale
    mail["X-Busbar-Notice"] = message.type_code
    mail.set_content(message.body)
    mail.add_alternative(texts.page(message.body, message.locale), subtype="html")
    return mail


class AskedProvider:
    """A provider of short messages that is asked by HTTP."""

    def __init__(self, settings: HttpProvider, http: HttpClient) -> None:
        self.name, self._settings, self._http = settings.name, settings, http

    async def send(self, message: Message) -> str:
        known = self._settings
        words = {"to": message.to, "text": message.body, "reference": str(message.id)}
        said = {key: _fill(value, words) for key, value in known.body.items()}
        kind = "x-www-form-urlencoded" if known.form else "json"
        answer = await self._http.request(
            "POST",
            known.url,
            headers={"content-type": f"application/{kind}", **known.headers},
            body=urlencode(said).encode() if known.form else msgspec.json.encode(said),
            timeout=known.timeout,
            limit=64 << 10,
        )
        if 200 <= answer.status < 300:
            return _reference(answer.body, known.reference)
        text = f"answered {answer.status}: {answer.body[:200].decode('utf-8', 'replace')}"
        if answer.status in (400, 404, 410, 422):
            raise Refused(text)
        raise LinkError(text)


def _fill(template: str, words: Mapping[str, str]) -> str:
    """Once through, so that a text that looks like a place stays a text."""
    return re.sub(r"{{(to|text|reference)}}", lambda m: words[m[1]], template)


def _reference(body: bytes, path: str) -> str:
    if not path:
        return ""
    try:
        found: Any = msgspec.json.decode(body)
        for part in path.split("."):
            found = found[int(part)] if isinstance(found, list) else found[part]
    except (msgspec.MsgspecError, LookupError, TypeError, ValueError):
        return ""
    return str(found)[:200]


Chains = Mapping[Channel, Sequence[Provider]]


def chains(settings: NotificationSettings, http: HttpClient, clock: Clock) -> Chains:
    """The providers of each channel, the first choice first."""
    return {
        Channel.EMAIL: [SmtpProvider(s, clock) for s in settings.smtp],
        Channel.SMS: [AskedProvider(s, http) for s in settings.sms],
        Channel.WHATSAPP: [AskedProvider(s, http) for s in settings.whatsapp],
    }


class Try(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One provider's answer."""

    provider: str
    at: dt.datetime
    ok: bool
    error: str = ""


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one message. provider: who took it. final: no further attempt can help."""

    tries: list[Try]
    provider: str = ""
    reference: str = ""
    final: bool = False


async def carry(chain: Sequence[Provider], message: Message, clock: Clock) -> Carried:
    """Give a message to the first provider that takes it; never raises for what they do."""
    if not chain:
        gone = Try(provider="", at=clock(), ok=False, error="no provider is configured")
        return Carried(tries=[gone], final=True)
    tries, refusals = [], 0
    for provider in chain:
        try:
            reference = await provider.send(message)
        except HubError as error:
            refusals += isinstance(error, Refused)
            text = str(error)[:KEPT]
            tries.append(Try(provider=provider.name, at=clock(), ok=False, error=text))
        except Exception as error:
            log.exception("provider %s", provider.name, extra={"action": "notifications.provider"})
            text = type(error).__name__
            tries.append(Try(provider=provider.name, at=clock(), ok=False, error=text))
        else:
            tries.append(Try(provider=provider.name, at=clock(), ok=True))
            return Carried(tries=tries, provider=provider.name, reference=reference)
    return Carried(tries=tries, final=refusals == len(chain))
