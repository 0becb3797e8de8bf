"""What happens to gateways."""

import datetime as dt
from uuid import UUID

from hub import Event


class GatewayConnected(Event, frozen=True, tag="gateway.connected"):
    gateway_id: UUID


class GatewayDisconnected(Event, frozen=True, tag="gateway.disconnected"):
    gateway_id: UUID
    last_seen_at: dt.datetime


EVENTS: tuple[type, ...] = (GatewayConnected, GatewayDisconnected)
