"""The way to meters over the platform's HTTP interface, for `MeterControl`."""

from collections.abc import Callable

from drivers.mqtt.acrel import stamp
from drivers.mqtt.acrel_way import body_of
from hub import MeterOrder, NoResponse, ProtocolError

from .client import AcrelHttp


class HttpWay:
    """Once: it is the last resort."""

    name, tries = "http", 1

    def __init__(self, client: AcrelHttp, clock: Callable[[], int]) -> None:
        self._client, self._clock = client, clock

    def ready(self) -> bool:
        """Always worth a try."""
        return True

    async def send(self, order: MeterOrder) -> str | None:
        body = body_of(order, self._clock())
        if body is None:
            return f"no {order.kind} of {order.value!r}"
        body |= {"command_id": order.id, "expires_at": stamp(order.expires)}
        try:
            return await self._client.command(order.meter, body)
        except ProtocolError as error:
            raise NoResponse(str(error)) from error
