"""Busbar as an outstation: control centres see points of the gateway and operate them."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from hub import Command, ConfigError, Outcome, PointSpec, Site

from .address import parse
from .codec.commands import CommandStatus
from .codec.objects import PointType
from .config import Slave
from .lines import server_tls
from .outstation import Exposed, Exposure, ExposureHandler, OutstationServer, OutstationSettings

log = logging.getLogger(__name__)

_SHOWN = frozenset(PointType) - {PointType.BOC, PointType.AOC, PointType.FCTR, PointType.FAI}


def exposed(slave: Slave, site: Site) -> list[Exposed]:
    """The points by the gateway's ids; ConfigError for what is not there or shown twice."""
    found: list[Exposed] = []
    where = f"plugin.dnp3: outstation {slave.address}"
    for shown in slave.points:
        point = site.points.get(shown.point)
        if point is None:
            raise ConfigError(f"{where}: {shown.point!r} is no point of this gateway")
        place = parse(PointSpec(name=shown.point, address=shown.address))
        if place.type not in _SHOWN:
            raise ConfigError(f"{where}: {shown.point!r} cannot be shown as {shown.address}")
        taken = {(e.type, e.index) for e in found}
        if (place.type, place.index) in taken or point.id in {e.point for e in found}:
            raise ConfigError(f"{where}: {shown.point!r} or {shown.address} is there twice")
        found.append(
            Exposed(
                point=point.id,
                type=place.type,
                index=place.index,
                klass=shown.event_class,
                deadband=shown.deadband,
            )
        )
    return found


class SiteOrders:
    """Commands of a control centre, executed by the gateway."""

    def __init__(self, slave: Slave, site: Site) -> None:
        self._slave, self._site = slave, site
        self._by_id = {point.id: point for point in site.points.values()}
        self._tasks: set[asyncio.Task[None]] = set()

    def allowed(self, point: int, value: float) -> CommandStatus:
        if not self._by_id[point].spec.writable:
            return CommandStatus.NOT_SUPPORTED
        return CommandStatus.LOCAL if self._site.local else CommandStatus.SUCCESS

    def execute(self, point: int, value: float) -> CommandStatus:
        refused = self.allowed(point, value)
        if refused is CommandStatus.SUCCESS:
            task = asyncio.get_running_loop().create_task(self._operate(point, value))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return refused

    async def _operate(self, point: int, value: float) -> None:
        command = Command(
            point=self._by_id[point],
            value=value,
            actor=f"dnp3 master {self._slave.master}",
            expires=self._site.now() + round(self._slave.command_expires * 1_000_000),
        )
        result = await self._site.operate(command)
        if result.outcome not in {Outcome.DONE, Outcome.ACCEPTED}:
            extra = {"action": "dnp3.slave", "point": command.point.key}
            log.warning("%s: %s %s", command.point.key, result.outcome, result.detail, extra=extra)

    async def close(self) -> None:
        """Wait for what has been sent."""
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def serving(slave: Slave, site: Site) -> AsyncIterator[int]:
    """Show the points until left; yields the port."""
    items = exposed(slave, site)
    exposure, orders = Exposure(items), SiteOrders(slave, site)
    settings = OutstationSettings(
        address=slave.address, master=slave.master, unsolicited=slave.unsolicited
    )
    server = OutstationServer(settings, exposure.database, ExposureHandler(items, orders))
    tls = server_tls(slave.tls.ca, slave.tls.certificate, slave.tls.key) if slave.tls else None
    exposure.take(site.latest([site.points[shown.point] for shown in slave.points]))
    async with server.listen(slave.host, slave.port, tls) as port:
        with site.listen(exposure.take):
            try:
                yield port
            finally:
                await orders.close()


async def serve(slave: Slave, site: Site, up: Callable[[], None]) -> None:
    """The same until cancelled."""
    async with serving(slave, site):
        up()
        await asyncio.get_running_loop().create_future()
