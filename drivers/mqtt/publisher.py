"""Points of a gateway, told to a broker for as long as it is there."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, MutableMapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Protocol

import aiomqtt

from hub import Command, ConfigError, Point, ReadingBatch, Result, Site

from .changes import Changes
from .dialect import Dialect, Publication
from .edge import EdgeNode, Life
from .plain import JsonTopics, Ordered
from .rows import Rows
from .session import MqttSession, connect
from .shown import JsonPublisher, Publisher

log = logging.getLogger(__name__)


class _Told:
    """`hub.Link` of a publisher: what is wrong with orders goes to the log, once a while."""

    def __init__(self, name: str, site: Site) -> None:
        self._name, self.now = name, site.now
        self._troubled: set[str] = set()
        self.state: MutableMapping[str, bytes] = {}  # a publisher keeps nothing

    def wire(self, device: str, sent: bool, data: bytes, note: str = "") -> None:
        """Nobody traces a publisher."""

    def warn(self, device: str, message: str) -> None:
        if device not in self._troubled:
            self._troubled.add(device)
            log.warning("%s: %s", self._name, message, extra=_EXTRA)

    def clear(self, device: str) -> None:
        self._troubled.discard(device)


class _Orders(MqttSession):
    """Only what is said now is an order: one that the broker retained would be repeated."""

    def _take(self, message: aiomqtt.Message, rows: Rows) -> Iterable[Publication]:
        if message.retain:
            self._link.warn("", f"{message.topic}: a retained order is not executed")
            return ()
        return super()._take(message, rows)


class Teller(Dialect, Protocol):
    """A dialect that tells values. complete: its greeting has them. rebirth: it is wanted again."""

    complete: bool
    rebirth: bool

    def data(self, newest: ReadingBatch, now: int) -> Iterable[Publication]:
        """The messages of changed values, to be published in that order."""

    def result(self, point: Point, id: str, result: Result) -> Publication | None:  # noqa: A002
        """What is to be told of a command that ended."""


class Publishing:
    """One publisher. where: the place of a setting, for a message about it."""

    def __init__(
        self, config: Publisher, gateway: str, site: Site, where: Callable[[str, int], str]
    ) -> None:
        self._config, self._gateway, self._site, self._where = config, gateway, site, where
        self._lives = site.now() // 1_000_000  # so that a new process begins another life
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, up: Callable[[], None]) -> None:
        """Until the broker is gone: LinkError, AuthError; ConfigError for what is not there."""
        points = self._chosen("points", list(self._site.points.values()))
        writable = self._chosen("writable", [p for p in points if p.spec.writable])
        changes, results = Changes(points), list[tuple[Point, str, Result]]()

        def ordered(point: Point, value: float | str, id: str) -> None:  # noqa: A002
            async def operate() -> None:
                results.append((point, id, await self._operate(point, value, id)))
                changes.woken.set()

            task = asyncio.get_running_loop().create_task(operate())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        teller = self._teller(points, writable, ordered, changes.woken.set)
        link = _Told(self._config.name, self._site)
        async with connect(self._config, teller, link, _Orders) as session:
            with self._site.listen(changes.take):
                await session.startup()
                up()
                known = self._site.latest(points)
                (changes.told if teller.complete else changes.take)(known)
                try:
                    await _first(
                        _heard(session),
                        self._tell(session, teller, changes, results),
                    )
                finally:
                    await asyncio.gather(*self._tasks, return_exceptions=True)

    def _chosen(self, name: str, among: Sequence[Point]) -> list[Point]:
        found: dict[int, Point] = {}
        for at, pattern in enumerate(getattr(self._config, name)):
            own = [p for p in among if fnmatchcase(p.key, pattern)]
            if not own:
                what = "no point" if name == "points" else "no point with commands"
                place = self._where(name, at)
                raise ConfigError(f"{place}: {pattern!r} is {what} of this gateway")
            found.update((p.id, p) for p in own)
        return list(found.values())

    def _teller(
        self,
        points: Sequence[Point],
        writable: Sequence[Point],
        ordered: Ordered,
        wake: Callable[[], None],
    ) -> Teller:
        config, gateway, newest = self._config, self._gateway, self._site.latest
        if isinstance(config, JsonPublisher):
            return JsonTopics(config, gateway, points, writable, ordered)
        self._lives = (self._lives + 1) % 256
        life = Life(number=self._lives, newest=newest, wake=wake)
        return EdgeNode(config, gateway, points, writable, ordered, life)

    async def _operate(self, point: Point, value: float | str, id: str) -> Result:  # noqa: A002
        expires = self._site.now() + round(self._config.command_expires * 1_000_000)
        actor = f"mqtt {self._config.name}"
        return await self._site.operate(
            Command(point=point, value=value, actor=actor, expires=expires, id=id)
        )

    async def _tell(
        self,
        session: MqttSession,
        teller: Teller,
        changes: Changes,
        results: list[tuple[Point, str, Result]],
    ) -> None:
        """The only one who publishes, because messages are numbered."""
        by_id = {p.id: p for p in self._site.points.values()}
        while True:
            await changes.woken.wait()
            await asyncio.sleep(self._config.hold)
            while results:
                answer = teller.result(*results.pop(0))
                if answer is not None:
                    await session.publish(answer)
            now, ids = self._site.now(), changes.fetch()
            if teller.rebirth:
                for message in teller.greeting(now):
                    await session.publish(message)
            if ids:
                newest = self._site.latest([by_id[i] for i in sorted(ids)])
                for message in teller.data(newest, now):
                    await session.publish(message)
                changes.told(newest)


async def _heard(session: MqttSession) -> None:
    """Take what comes, until the broker is gone. Orders bring no readings."""
    async for _ in session.events():
        pass


async def _first(*works: Coroutine[Any, Any, None]) -> None:
    """Until one of them ends, as that one does."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        done.pop().result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


_EXTRA = {"action": "mqtt.publisher"}
