"""The channel: polls the newest values, fetches what was missed, hands commands over."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from drivers.mqtt.acrel import AcrelAddress, acrel_address, order_body, stamp
from drivers.mqtt.paths import MISSING, find
from drivers.mqtt.rows import Rows, read_time
from hub import (
    Can,
    Cause,
    Command,
    ConfigError,
    DeviceConfig,
    Driver,
    Flag,
    LinkError,
    Node,
    NoResponse,
    NotFound,
    Outcome,
    Point,
    PointSpec,
    ProtocolError,
    ReadingBatch,
    Result,
    Session,
)

from .client import AcrelHttp, Latest, Values
from .config import AcrelHttpConfig

SECOND = 1_000_000


class AcrelHttpDriver(Driver[AcrelHttpConfig]):
    """Points have the addresses of the platform's MQTT messages, without alerts."""

    config_type: ClassVar[Any] = AcrelHttpConfig
    can = Can.READ | Can.OPERATE | Can.BROWSE

    def __init__(self, config: AcrelHttpConfig, points: Sequence[Point], link: Any) -> None:
        super().__init__(config, points, link)
        self.seen: dict[str, int] = {}  # newest time of each device, µs; outlives a session
        self._names = {device.id: device.name for device in config.devices}

    @classmethod
    def address(cls, spec: PointSpec, device: DeviceConfig) -> AcrelAddress:
        found = acrel_address(spec.address)
        if found.word == "gw":
            raise ConfigError(f"{spec.address!r}: the HTTP interface has no gateway messages")
        return found

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Session]:
        client = AcrelHttp(self.config.access, self._wire)
        async for _ in client.meters():  # whether it answers and knows us
            break
        yield AcrelHttpSession(self, client)

    def _wire(self, meter: str, sent: bool, data: bytes, note: str) -> None:
        self.link.wire(self._names.get(meter, ""), sent, data, note)


class AcrelHttpSession(Session):
    def __init__(self, driver: AcrelHttpDriver, client: AcrelHttp) -> None:
        self._driver, self._client = driver, client
        self._meters = {d.name: d for d in driver.config.devices}

    async def startup(self) -> ReadingBatch:
        """The history since the newest value that was seen, or of `backfill` hours."""
        rows = Rows()
        for device in self._meters:
            points = [p for p in self._driver.points if p.device == device]
            try:
                await self._fill(device, points, rows)
            except (NotFound, NoResponse) as error:
                self._driver.link.warn(device, str(error))
        return rows.batch(Cause.STARTUP)

    async def _fill(self, device: str, points: Sequence[Point], rows: Rows) -> None:
        now = self._driver.link.now()
        back = timedelta(hours=self._driver.config.backfill)
        seen = self._driver.seen.get(device)
        end = datetime.fromtimestamp(now / SECOND, UTC)
        start = end - back if seen is None else datetime.fromtimestamp(seen / SECOND, UTC)
        if not back:
            return
        meter = self._meters[device].id
        async for values in self._client.history(meter, start, end):
            self._show(device, points, values, now, rows, Flag.OLD)

    async def read(self, points: tuple[Point, ...]) -> ReadingBatch:
        """The newest values of one device, once each: an unchanged time brings nothing."""
        device, now, rows = points[0].device, self._driver.link.now(), Rows()
        try:
            latest = await self._client.latest(self._meters[device].id)
        except NotFound as error:
            raise NoResponse(str(error)) from error
        self._show(device, points, latest, now, rows, Flag.NONE)
        return rows.batch(Cause.POLL)

    def _show(
        self, device: str, points: Sequence[Point], values: Values, now: int, rows: Rows, flag: Flag
    ) -> None:
        time, quality = read_time(values.timestamp, now)
        if time <= self._driver.seen.get(device, -1):
            return
        self._driver.seen[device] = time
        body: dict[str, Any] = {"data": values.data}
        if isinstance(values, Latest) and values.status:
            body["new_status"] = values.status
        for point in points:
            raw = find(body, point.address.path) if point.address.word != "command" else MISSING
            if raw is not MISSING:
                rows.add(point, raw, time, quality | flag)

    async def browse(self, path: str = "") -> AsyncIterator[Node]:
        """The meters that the platform has."""
        async for meter in self._client.meters():
            name = " ".join(filter(None, (meter.meter_id, meter.meter_type)))
            yield Node(path=meter.meter_id, name=name, leaf=False)

    async def operate(self, command: Command) -> Result:
        """Hand the order to the platform; that the meter obeyed shows at the feedback point."""
        body = _body(command, self._driver.link.now())
        if isinstance(body, Result):
            return body
        try:
            refusal = await self._client.command(self._meters[command.point.device].id, body)
        except (NoResponse, ProtocolError) as error:
            return Result(outcome=Outcome.UNKNOWN, detail=str(error))
        except LinkError as error:
            return Result(outcome=Outcome.REJECTED, detail=f"not sent: {error}")
        if refusal is not None:
            return Result(outcome=Outcome.REJECTED, detail=refusal)
        return Result(outcome=Outcome.ACCEPTED, detail="the feedback point confirms it")


def _body(command: Command, now: int) -> dict[str, object] | Result:
    """The JSON of a command, or why there is none."""
    if now >= command.expires:
        return Result(outcome=Outcome.EXPIRED)
    address: AcrelAddress = command.point.address
    if address.word != "command":
        return Result(outcome=Outcome.NOT_SUPPORTED, detail=f"{command.point.key} is read only")
    body = order_body(address.command, command.value, now)
    if body is None:
        return Result(outcome=Outcome.REJECTED, detail=f"no value {command.value!r}")
    return body | {"command_id": command.id, "expires_at": stamp(command.expires)}
