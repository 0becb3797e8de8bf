"""The way to Acrel meters over MQTT, for `MeterControl`."""

from collections.abc import Awaitable, Callable

import msgspec

from hub import MeterOrder
from hub import MeterOrderKind as Kind

from .acrel import command_topic, order_body, stamp
from .dialect import Publication

_FIELDS: dict[Kind, tuple[str, int | None]] = {
    Kind.DISCONNECT: ("relay", 0),
    Kind.RECONNECT: ("relay", 1),
    Kind.SET_TARIFF: ("tariff", None),
    Kind.SET_POWER_LIMIT: ("power_limit", None),
}


class AcrelWay:
    """publish: `MqttSession.publish`, or what raises as it does. ready: whether there is a session.

    station: of a meter, or None if the meter is not known. send_command_id: see `AcrelConfig`.
    """

    name = "mqtt"

    def __init__(
        self,
        publish: Callable[[Publication], Awaitable[None]],
        ready: Callable[[], bool],
        station: Callable[[str], str | None],
        clock: Callable[[], int],
        *,
        tries: int = 3,
        send_command_id: bool = True,
    ) -> None:
        self._publish, self._station, self._clock = publish, station, clock
        self.ready = ready
        self._send_command_id, self.tries = send_command_id, tries

    async def send(self, order: MeterOrder) -> str | None:
        station = self._station(order.meter)
        if station is None:
            return f"meter {order.meter!r} has no station"
        now = self._clock()
        body = body_of(order, now)
        if body is None:
            return f"no {order.kind} of {order.value!r}"
        if self._send_command_id:
            body |= {"command_id": order.id, "expires_at": stamp(order.expires)}
        await self._publish(
            Publication(
                topic=command_topic(station, order.meter),
                payload=msgspec.json.encode(body),
                expires=max(1, (order.expires - now) // 1_000_000),
            )
        )
        return None


def body_of(order: MeterOrder, now: int) -> dict[str, object] | None:
    """The JSON of an order, or None when it has no such value."""
    name, fixed = _FIELDS[order.kind]
    wanted = fixed if fixed is not None else order.value
    return None if wanted is None else order_body(name, wanted, now)
