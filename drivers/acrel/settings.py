"""What can be set of the Acrel platform: the table `[plugin.acrel]` of the centre."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from drivers.acrel_http.config import HttpAccess
from drivers.mqtt.config import AcrelConfig

Seconds = Annotated[float, Meta(gt=0)]


class Webhooks(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """secret: shared with the platform. allowed: addresses or networks that calls come from."""

    secret: Annotated[str, Meta(min_length=16)]
    allowed: str
    signature_header: str = "X-Acrel-Signature"
    timestamp_header: str = "X-Acrel-Timestamp"
    id_header: str = "X-Acrel-Event-Id"

    def __repr__(self) -> str:
        return f"Webhooks(allowed={self.allowed!r})"


class AcrelSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """company: whose meters they are; the only company when absent.

    broker: listened to by the centre itself, and the first way of orders. http: the second way.
    station: in the topic of orders to meters that said nothing so far. wait: seconds for a
    confirmation before an order is tried again.
    """

    company: UUID | None = None
    webhooks: Webhooks | None = None
    broker: AcrelConfig | None = None
    http: HttpAccess | None = None
    station: str = "main"
    wait: Seconds = 30.0
