"""A field of simulated devices on real sockets: who listens where, and the clock that drives it."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec

from hub.kernel.profiles import Profile, Profiles
from simulators.modbus import Server, Unit
from simulators.network import Device, Feeder, Network, Substation
from simulators.series import Replay

Show = Callable[[float], None]


# What a site would set for these devices: a feeder is normally closed, supply is 230 V ± 10 %.
ALARMS: Mapping[str, dict[str, dict[str, float]]] = {
    "generic/modbus_breaker": {"switch.position": {"normal_state": 1}},
    "busbar/simulated_meter": {"voltage.l1": {"alarm_low": 207.0, "alarm_high": 253.0}},
}


@dataclass
class Outlet:
    """One TCP port and the devices behind it, by name, in order of their unit ids (1, 2, …).

    station: code of the station where they stand. roles: what a device counts in it, by name.
    """

    name: str
    server: Server
    names: list[str]
    station: str = ""
    roles: Mapping[str, str] = field(default_factory=dict)

    def channel(self, every: float) -> dict[str, Any]:
        """The `[[channels]]` table of a gateway that reads this outlet every so many seconds."""
        return {
            "name": self.name,
            "driver": "modbus-tcp",
            "host": self.server.host,
            "port": self.server.port,
            "devices": [
                self._device(name, number, unit, every)
                for name, (number, unit) in zip(self.names, self.server.units.items(), strict=True)
            ],
        }

    def _device(self, name: str, number: int, unit: Unit, every: float) -> dict[str, Any]:
        profile = unit.profile.code
        device: dict[str, Any] = {"name": name, "profile": profile, "unit": number, "every": every}
        if self.station:
            device["station"] = self.station
            if name in self.roles:
                device["role"] = self.roles[name]
            if profile in ALARMS:
                device["alarms"] = ALARMS[profile]
        return device


class Field:
    """Outlets that are served, and their clock.

    speed: simulated seconds per second; 0 = the clock only moves by `advance`. tick: seconds
    between two updates of the registers. show: called with the simulated seconds since the start.
    """

    def __init__(
        self, outlets: Sequence[Outlet], show: Show, speed: float = 1.0, tick: float = 1.0
    ) -> None:
        self.outlets = tuple(outlets)
        self.elapsed = 0.0
        self._show, self._speed, self._tick = show, speed, tick
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._show(0.0)
        async with contextlib.AsyncExitStack() as started:
            for outlet in self.outlets:
                await started.enter_async_context(outlet.server)
            started.pop_all()
        if self._speed:
            self._running = asyncio.create_task(self._run(), name="simulated field")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running
        for outlet in self.outlets:
            await outlet.server.stop()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        began, at = loop.time(), self.elapsed
        while True:
            await asyncio.sleep(self._tick)
            self.advance(at + (loop.time() - began) * self._speed - self.elapsed)

    async def wait(self) -> None:
        """Return when the clock stops, raising what stopped it."""
        if self._running is not None:
            await self._running

    def advance(self, seconds: float) -> None:
        """Move the clock, and show what the meters show then."""
        self.elapsed += seconds
        self._show(self.elapsed)

    def unit(self, name: str) -> Unit:
        """The device of that name, to look at or to break."""
        for outlet in self.outlets:
            if name in outlet.names:
                return list(outlet.server.units.values())[outlet.names.index(name)]
        raise KeyError(name)

    def channels(self, every: float = 1.0) -> list[dict[str, Any]]:
        """What a gateway's `[[channels]]` must say to read all of it."""
        return [outlet.channel(every) for outlet in self.outlets]


def config(channels: Iterable[dict[str, Any]]) -> str:
    """The channels as TOML, one device a line."""
    lines: list[str] = []
    for channel in channels:
        lines.append("[[channels]]")
        for key, value in channel.items():
            if key == "devices":
                lines.append("devices = [")
                lines += [f"  {{ {_pairs(device)} }}," for device in value]
                lines.append("]")
            else:
                lines.append(_pairs({key: value}))
        lines.append("")
    return "\n".join(lines)


def _pairs(table: dict[str, Any]) -> str:
    return ", ".join(f"{_key(key)} = {_value(value)}" for key, value in table.items())


def _key(key: str) -> str:
    return f'"{key}"' if "." in key else key


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{ {_pairs(value)} }}"
    return msgspec.json.encode(value).decode()  # JSON's strings and numbers are TOML's


def _port(base: int, index: int) -> int:
    return base + index if base else 0


def serve_network(
    network: Network | None = None,
    *,
    profiles: Profiles | None = None,
    speed: float = 1.0,
    tick: float = 1.0,
    host: str = "127.0.0.1",
    port: int = 0,
) -> Field:
    """The built-in network, one port a feeder and one a substation; enter it to serve it.

    port: of the first outlet, the others follow; 0 = the system chooses. Operating `breaker` of a
    feeder's controller (its last unit) opens and closes the feeder.
    """
    network, profiles = network or Network(), profiles or Profiles()
    outlets: list[Outlet] = []
    breakers: list[tuple[Feeder, Unit]] = []
    shown: list[tuple[Device, Unit]] = []
    for substation in network.substations:
        outlet = _incomer(substation, profiles, host, _port(port, len(outlets)))
        outlets.append(outlet)
        shown.append((substation.incomer, outlet.server.units[1]))
        for feeder in substation.feeders:
            unit = _breaker(feeder, profiles)
            devices = [feeder.head, *(device for _, device in feeder.customers)]
            units = [Unit(profiles.find(device.profile)) for device in devices]
            names = [*(device.name for device in devices), feeder.breaker]
            server = Server(dict(enumerate((*units, unit), 1)), host, _port(port, len(outlets)))
            outlets.append(Outlet(feeder.name, server, names, substation.name, _roles(feeder)))
            breakers.append((feeder, unit))
            shown += zip(devices, units, strict=True)

    def show(now: float) -> None:
        network.step(now)
        for device, unit in shown:
            unit.image.show(device.values())
        for feeder, unit in breakers:
            _show_breaker(feeder, unit)

    return Field(outlets, show, speed, tick)


def _incomer(substation: Substation, profiles: Profiles, host: str, port: int) -> Outlet:
    incomer = substation.incomer
    server = Server({1: Unit(profiles.find(incomer.profile))}, host, port)
    roles = {incomer.name: "incomer"}
    return Outlet(substation.name, server, [incomer.name], substation.name, roles)


def _roles(feeder: Feeder) -> dict[str, str]:
    members = {d.name: "generation" if d.generates else "customer" for _, d in feeder.customers}
    return members | {feeder.head.name: "feeder"}


def _breaker(feeder: Feeder, profiles: Profiles) -> Unit:
    unit = Unit(profiles.find("generic/modbus_breaker"))

    def operate(_: str, value: int) -> None:
        feeder.operate(closed=bool(value))
        _show_breaker(feeder, unit)

    unit.on_write.append(operate)
    return unit


def _show_breaker(feeder: Feeder, unit: Unit) -> None:
    unit.image.set("breaker", feeder.closed)
    unit.image.set("switch.position", feeder.closed)
    unit.image.set("switch.local", feeder.local)
    unit.image.set("switch.trips", feeder.trips)


def serve_meters(
    profile: Profile,
    replays: Sequence[Replay],
    *,
    speed: float = 1.0,
    tick: float = 1.0,
    host: str = "127.0.0.1",
    port: int = 0,
) -> Field:
    """Meters of one make on one port, one a replay; enter it to serve it."""
    units = [Unit(profile) for _ in replays]
    names = [f"{profile.code.split('/')[1]}-{number}" for number in range(1, len(units) + 1)]
    server = Server(dict(enumerate(units, 1)), host, port)
    for unit in units:
        for name in ("relay", "breaker"):
            if name in unit.image.fields:
                unit.image.set(name, 1)
        unit.image.show({"relay.state": 1.0, "switch.position": 1.0})

    def show(now: float) -> None:
        for unit, replay in zip(units, replays, strict=True):
            unit.image.show(replay.at(now).values())

    return Field([Outlet(profile.code.replace("/", "-"), server, names)], show, speed, tick)
