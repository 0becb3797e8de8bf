"""Settings of notifications: the table `[plugin.notifications]`."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from hub import OPTIONS, Ctx

Port = Annotated[int, Meta(ge=1, le=65535)]
Seconds = Annotated[float, Meta(gt=0, le=120)]


class Smtp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A server that takes our mail. ca_file: who vouches for it, beside the system's own."""

    name: str
    host: str
    sender: str
    port: Port = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: str = ""
    ca_file: str = ""
    timeout: Seconds = 15.0


class HttpProvider(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider of SMS or WhatsApp that is asked by HTTP.

    body: what is sent; `{{to}}`, `{{text}}` and `{{reference}}` in its texts are filled in.
    reference: where the answer has the provider's own number of the message (`messages.0.id`).
    secret: signs the provider's receipts.
    """

    name: str
    url: str
    body: dict[str, str]
    form: bool = False
    headers: dict[str, str] = {}
    reference: str = ""
    secret: str = ""
    timeout: Seconds = 10.0


class NotificationSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of several providers of a channel the next one carries what the first could not.

    send: whether this process sends. console_url: where people reach the console, for links.
    lease_seconds: how long a message waits in a process that may have died.
    """

    send: bool = True
    console_url: str = "http://127.0.0.1:8000"
    smtp: tuple[Smtp, ...] = ()
    sms: tuple[HttpProvider, ...] = ()
    whatsapp: tuple[HttpProvider, ...] = ()
    lease_seconds: Annotated[float, Meta(ge=1, le=3600)] = 180.0


class NotificationOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a company may change. digest_after: so many of one type to one person within ten
    minutes go out one by one; further ones are gathered. mail_footer: ends every e-mail."""

    digest_after: Annotated[int, Meta(ge=1, le=1000)] = 20
    mail_footer: Annotated[str, Meta(max_length=1000)] = ""


async def options(ctx: Ctx) -> NotificationOptions:
    """Those of the company; the defaults where nobody offers to change them."""
    known = ctx.services.get(OPTIONS)
    if known is None:
        return NotificationOptions()
    found: NotificationOptions = await known.of(ctx, "notifications", NotificationOptions)
    return found
