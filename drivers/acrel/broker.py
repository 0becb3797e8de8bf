"""The centre's own ear at the platform's broker, and its first way to the meters."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from drivers.mqtt.acrel_events import Received, read_event
from drivers.mqtt.acrel_way import AcrelWay
from drivers.mqtt.config import AcrelConfig
from drivers.mqtt.dialect import Publication
from drivers.mqtt.rows import Rows
from drivers.mqtt.session import MqttSession, connect
from hub import (
    Command,
    HubError,
    Invalid,
    LinkError,
    Outcome,
    ProtocolError,
    Result,
    UnitOfWork,
)

from .intake import Intake, Source

# Kind of place and last word of a topic → what its messages are.
_EVENTS = {
    ("meter", "data"): "meter_reading",
    ("meter", "alert"): "alert",
    ("meter", "status"): "status_change",
    ("infrastructure", "data"): "infrastructure",
}
_BATCH = 200  # events that are written in one transaction
_LAST = 5.0  # s at the end for what was received and is not written yet
_logger = structlog.get_logger(__name__)


class Listening:
    """`Dialect` that hands over whole events instead of readings."""

    def __init__(self, inbox: "asyncio.Queue[Received]", stations: dict[str, str]) -> None:
        self._inbox, self._stations = inbox, stations

    def topics(self) -> tuple[str, ...]:
        return tuple(f"acrel/+/{place}/+/{word}" for place, word in _EVENTS)

    def will(self, now: int) -> Publication | None:
        return None

    def greeting(self, now: int) -> Iterable[Publication]:
        return ()

    def device(self, topic: str) -> str:
        parts = topic.split("/")
        return parts[3] if len(parts) == 5 else ""

    def read(self, topic: str, payload: bytes, now: int, rows: Rows) -> Iterable[Publication]:
        parts = topic.split("/")
        kind = _EVENTS.get((parts[2], parts[4])) if len(parts) == 5 else None
        if kind is None:
            return ()
        received = read_event(payload, {"event_type": kind, "meter_id": parts[3]})
        self._stations[parts[3]] = parts[1]
        try:
            self._inbox.put_nowait(received)
        except asyncio.QueueFull:
            raise ProtocolError("dropped: events come faster than they can be written") from None
        return ()

    def order(self, command: Command, now: int) -> Result:
        return Result(outcome=Outcome.NOT_SUPPORTED)


class Broker:
    """station: of meters that said nothing so far."""

    def __init__(
        self, config: AcrelConfig, unit: UnitOfWork, intake: Intake, *, station: str
    ) -> None:
        self._config, self._unit, self._intake = config, unit, intake
        self._session: MqttSession | None = None
        self._inbox: asyncio.Queue[Received] = asyncio.Queue(config.backlog)
        self._stations: dict[str, str] = {}
        self._trouble: set[str] = set()
        self.state: dict[str, bytes] = {}
        self.way = AcrelWay(
            self._publish,
            lambda: self._session is not None,
            lambda meter: self._stations.get(meter, station),
            self.now,
            send_command_id=config.send_command_id,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Broker"]:
        """Listen until the block ends; what was received by then is written first."""
        listening = asyncio.create_task(self._listen(), name="acrel broker")
        writing = asyncio.create_task(self._write(), name="acrel events")
        try:
            yield self
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST):
                    await self._inbox.join()
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _listen(self) -> None:
        dialect = Listening(self._inbox, self._stations)
        while True:
            try:
                async with connect(self._config, dialect, self) as session:
                    await session.startup()
                    self._session = session
                    self.clear("", "")
                    async for _ in session.events():
                        pass
            except HubError as error:
                self.warn("", f"{self._config.host}: {error}")
            finally:
                self._session = None
            await asyncio.sleep(self._config.backoff.last)

    async def _write(self) -> None:
        while True:
            events = [await self._inbox.get()]
            while len(events) < _BATCH and not self._inbox.empty():
                events.append(self._inbox.get_nowait())
            await self._persist(events)
            for _ in events:
                self._inbox.task_done()

    async def _persist(self, events: list[Received]) -> None:
        """Write until it is done: what the broker gave us it does not give again."""
        done = await self._written(events)
        while not done:
            await asyncio.sleep(self._config.backoff.last)
            done = await self._written(events)

    async def _written(self, events: list[Received]) -> bool:
        """Whether the database has them now."""
        try:
            async with self._unit.system() as ctx:
                actor = await self._intake.actor(ctx)
            async with self._unit(actor) as ctx:
                for received in events:
                    await self._intake.keep(ctx, received, Source.MQTT)
        except Invalid as error:
            if len(events) == 1:
                self.warn(events[0].event.meter_id, f"dropped: {error}")
                return True
            done = [await self._written([received]) for received in events]
            return all(done)
        except (HubError, SQLAlchemyError, OSError) as error:
            self.warn("events", f"events wait: {error}")
            return False
        except Exception:
            _logger.exception("acrel events are left out", count=len(events))
            return True
        self.clear("events")
        return True

    async def _publish(self, publication: Publication) -> None:
        if self._session is None:
            raise LinkError("no connection to the broker")
        await self._session.publish(publication)

    def now(self) -> int:
        return time.time_ns() // 1_000

    def wire(self, device: str, sent: bool, data: bytes, note: str = "") -> None:
        """Nobody traces the centre's own session."""

    def warn(self, device: str, message: str) -> None:
        if device not in self._trouble and len(self._trouble) < 10_000:
            self._trouble.add(device)
            _logger.warning("acrel broker", device=device, reason=message)

    def clear(self, device: str, _: str = "") -> None:
        self._trouble.discard(device)
