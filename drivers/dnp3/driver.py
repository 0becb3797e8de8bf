"""The DNP3 driver as the hub sees it: one channel with its outstations."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ssl import SSLContext
from typing import Any, ClassVar

from hub import Can, DeviceConfig, Driver, Explainer, LinkError, Point, PointSpec, Session

from .address import Dnp3Point, parse
from .codec.objects import STATIC_GROUP
from .config import Dnp3Config, Dnp3Listen, Dnp3Serial, Dnp3Tcp, Dnp3Udp, Tls

_STRANGERS = 4  # connections beside two for each outstation


class Dnp3Driver(Driver[Dnp3Config]):
    config_type: ClassVar[Any] = Dnp3Config
    layers = ("link", "transport", "application", "objects")
    can = Can.READ | Can.EVENTS | Can.BROWSE | Can.OPERATE | Can.SELECT | Can.SET_CLOCK

    @classmethod
    def address(cls, spec: PointSpec, device: DeviceConfig) -> Dnp3Point:
        return parse(spec)

    @classmethod
    def polls(cls, address: Dnp3Point) -> bool:
        return address.type in STATIC_GROUP

    @classmethod
    def explainer(cls, layers: frozenset[str]) -> Explainer:
        from . import trace  # noqa: PLC0415 - only when somebody watches

        return trace.Explainer(layers)

    @classmethod
    def check(cls, config: Dnp3Config, points: Sequence[Point]) -> list[str]:
        """Two outstations with one address, two points at one place."""
        faults = [
            f"two devices of channel {config.name!r} have the link address {address}"
            for address, count in Counter(d.address for d in config.devices).items()
            if count > 1
        ]
        first: dict[tuple[str, str], Point] = {}
        for point in points:
            place = point.device, str(point.address)
            other = first.setdefault(place, point)
            if other is not point:
                faults.append(f"points {other.key!r} and {point.key!r} are both {point.address}")
        return faults

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Session]:
        # The stack is loaded when a channel is opened, not when the command line is.
        from .session import Dnp3Session  # noqa: PLC0415

        async with line_of(self.config) as line:
            yield Dnp3Session(self.config, self.points, self.link, line)


@asynccontextmanager
async def line_of(config: Dnp3Config) -> AsyncIterator[Any]:
    """The open line of a channel; closed on exit."""
    from . import lines  # noqa: PLC0415

    match config:
        case Dnp3Tcp():
            name = config.tls.name if config.tls else ""
            tls = _client(config.tls)
            line: lines.Line = await lines.connect_tcp(
                config.host, config.port, within=config.connect_timeout, tls=tls, name=name
            )
        case Dnp3Udp():
            local = config.local_host, config.local_port
            line = await lines.open_udp(local, (config.host, config.port))
        case Dnp3Serial():
            line = lines.open_serial(
                config.port, baudrate=config.baud, parity=config.parity, stopbits=config.stop_bits
            )
        case Dnp3Listen():
            line = await _accepted(config)
    try:
        yield line
    finally:
        line.close()


def _client(tls: Tls | None) -> SSLContext | None:
    from .lines import client_tls  # noqa: PLC0415

    return client_tls(tls.ca, tls.certificate, tls.key) if tls else None


async def _accepted(config: Dnp3Listen) -> Any:
    """A listening line to which the first outstation has connected."""
    from .lines import server_tls  # noqa: PLC0415
    from .listening import ListeningLine  # noqa: PLC0415

    tls = server_tls(config.tls.ca, config.tls.certificate, config.tls.key) if config.tls else None
    line = ListeningLine(f"{config.host}:{config.port}", 2 * len(config.devices) + _STRANGERS)
    try:
        await line.listen(config.host, config.port, tls)
        async with asyncio.timeout(config.connect_timeout):
            await line.came.wait()
    except TimeoutError:
        line.close()
        raise LinkError(f"no outstation connected to {line.name}") from None
    except BaseException:
        line.close()
        raise
    return line
