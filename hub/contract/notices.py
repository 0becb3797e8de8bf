"""What people are told: kinds of notices that plugins declare, and the service that tells them."""

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from .key import Key

if TYPE_CHECKING:
    from .context import Ctx


class Channel(enum.StrEnum):
    """How a notice reaches a person."""

    IN_APP = "in_app"
    EMAIL = "email"
    SMS = "sms"
    WHATSAPP = "whatsapp"


class Priority(enum.StrEnum):
    """critical: quiet hours do not hold it back."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A kind of notice.

    events: patterns of the events that cause it, where: values of their data, one of which it must
    have in each of these fields; without events it is sent by `Notifier`. to: who is told:
    `user:<field>` (whose id the event's data has there), `actor` (who did it), `role:<code>`,
    `may:<permission>`. name, title, text: by language, `en` at least; `{{field}}` in them stands
    for the event's data. mail: the text of e-mails where it differs. mandatory: nobody can switch
    its channels off. link: a page of the console, with places too.
    """

    code: str
    name: Mapping[str, str]
    title: Mapping[str, str]
    text: Mapping[str, str]
    mail: Mapping[str, str] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    to: tuple[str, ...] = ()
    channels: tuple[Channel, ...] = (Channel.IN_APP,)
    mandatory: bool = False
    priority: Priority = Priority.NORMAL
    link: str = ""


class Notifier(Protocol):
    """Tells people, in their language and by the channels that they chose."""

    async def tell(
        self,
        ctx: "Ctx",
        code: str,
        data: Mapping[str, Any],
        *,
        to: Collection[str] = (),
        key: UUID | None = None,
    ) -> int:
        """Tell when the transaction commits; how many people that are.

        to: as in `Notice`, which it replaces, and `id:<user>`. key: whoever was told under it
        already is not told again. LookupError for a code that no plugin declares.
        """


NOTIFIER = Key[Notifier]("notifier")
