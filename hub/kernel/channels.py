"""From `[[channels]]` of the settings to drivers with points; faults are told all at once."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Union, get_args, get_origin

import msgspec

from config.faults import Fault, Faults, Path, explain, near
from config.origin import Origin
from hub.contract.driver import ChannelConfig, DeviceConfig, Driver, Recording
from hub.contract.errors import ConfigError, HubError
from hub.contract.journal import CatalogueEntry
from hub.contract.plugin import Plugin
from hub.contract.points import Point, PointSpec


class Profile(Protocol):
    """The points of a device model."""

    @property
    def points(self) -> tuple[PointSpec, ...]: ...


class Profiles(Protocol):
    """Where profiles come from; `find` raises ConfigError or NotFound for an unknown code."""

    def find(self, code: str) -> Profile: ...


@dataclass(frozen=True)
class Plan:
    """A channel that can be started. points: of enabled devices, with provisional ids until the
    journal has given theirs. idle: names of disabled devices."""

    config: ChannelConfig
    driver: type[Driver[Any]]
    points: tuple[Point, ...]
    devices: Mapping[str, DeviceConfig]

    @property
    def idle(self) -> tuple[str, ...]:
        return tuple(n for n, d in self.devices.items() if not d.enabled)

    def record(self, device: str) -> Recording:
        return self.devices[device].record or self.config.record

    def with_ids(self, ids: Mapping[str, int]) -> "Plan":
        points = tuple(msgspec.structs.replace(p, id=ids[p.key]) for p in self.points)
        return Plan(self.config, self.driver, points, self.devices)

    def catalogue(self) -> list[CatalogueEntry]:
        tag = type(self.config).__struct_config__.tag
        return [
            CatalogueEntry(
                id=p.id,
                device=p.device,
                spec=p.spec,
                profile=self.devices[p.device].profile or "",
                driver=str(tag),
                every=p.every,
                station=self.devices[p.device].station,
                role=self.devices[p.device].role,
            )
            for p in self.points
        ]


def decode(
    channels: Sequence[dict[str, Any]],
    plugins: Mapping[str, Plugin],
    profiles: Profiles,
    origin: Origin | None = None,
) -> list[Plan]:
    """Plans of all channels, or Faults that tell everything that is wrong."""
    kinds = drivers_by_tag(plugins)
    reader = _Reader(kinds, profiles)
    plans = [reader.channel(raw, ("channels", i)) for i, raw in enumerate(channels)]
    if reader.faults:
        raise Faults((origin or Origin()).tell(reader.faults))
    return [p for p in plans if p is not None]


def drivers_by_tag(plugins: Mapping[str, Plugin]) -> dict[str, tuple[type[Driver[Any]], Any]]:
    """`driver = "…"` of a channel → its class and configuration struct."""
    found: dict[str, tuple[type[Driver[Any]], Any]] = {}
    for plugin in plugins.values():
        for driver in plugin.drivers.values():
            kind = driver.config_type
            members = get_args(kind) if get_origin(kind) is Union or not _tag(kind) else (kind,)
            for member in members:
                tag = str(_tag(member))
                if found.get(tag, (driver,))[0] is not driver:
                    raise ConfigError(f"plugin {plugin.name}: another driver is called {tag!r}")
                found[tag] = (driver, member)
    return found


def _tag(kind: Any) -> Any:
    config = getattr(kind, "__struct_config__", None)
    return config.tag if config else None


class _Reader:
    """Reads channel after channel and gathers faults."""

    def __init__(self, kinds: Mapping[str, tuple[type[Driver[Any]], Any]], profiles: Profiles):
        self._kinds, self._profiles = kinds, profiles
        self.faults: list[Fault] = []
        self._names: dict[str, Path] = {}
        self._devices: dict[str, Path] = {}
        self._count = 0

    def channel(self, raw: dict[str, Any], at: Path) -> Plan | None:
        tag = raw.get("driver")
        if not isinstance(tag, str) or tag not in self._kinds:
            word = "the key 'driver' is missing" if tag is None else f"no driver is called {tag!r}"
            self._fault((*at, "driver"), f"{word}: {near(str(tag), list(self._kinds))}")
            return None
        driver, kind = self._kinds[tag]
        faults = explain(kind, raw, at)
        if faults:
            self.faults += faults
            return None
        config: ChannelConfig = msgspec.convert(raw, kind)
        self._unique(self._names, config.name, (*at, "name"), "channel")
        before = len(self.faults)
        devices: dict[str, DeviceConfig] = {}
        points: list[Point] = []
        where: dict[str, Path] = {}
        for i, device in enumerate(getattr(config, "devices", ())):
            place = (*at, "devices", i)
            self._unique(self._devices, device.name, (*place, "name"), "device")
            devices[device.name] = device
            points += self._points(driver, device, place, where)
        if len(self.faults) == before:
            for message in driver.check(config, points):
                self._fault(_place(message, where, at), message)
        live = tuple(p for p in points if devices[p.device].enabled)
        return Plan(config, driver, live, devices)

    def _points(
        self, driver: type[Driver[Any]], device: DeviceConfig, at: Path, where: dict[str, Path]
    ) -> list[Point]:
        found = []
        specs = self._specs(device, at)
        names = {"", *(spec.name for spec, _ in specs)}
        for spec, place in specs:
            key = f"{device.name}.{spec.name}"
            where[key] = place
            if spec.scale_from not in names:
                self._fault(place, f"point {key}: scale_from {spec.scale_from!r} is no point")
            try:
                address = driver.address(spec, device)
            except ConfigError as e:
                self._fault(place, f"point {key}: {e}")
                continue
            self._count += 1
            found.append(
                Point(
                    id=self._count,
                    key=key,
                    device=device.name,
                    spec=spec,
                    address=address,
                    every=(spec.every or device.every) if driver.polls(address) else None,
                )
            )
        return found

    def _specs(self, device: DeviceConfig, at: Path) -> list[tuple[PointSpec, Path]]:
        """The profile's points, replaced or followed by the device's own."""
        merged: dict[str, tuple[PointSpec, Path]] = {}
        if device.profile is not None:
            try:
                for spec in self._profiles.find(device.profile).points:
                    merged[spec.name] = (spec, (*at, "profile"))
            except (HubError, Faults) as e:
                self._fault((*at, "profile"), str(e))
        own: dict[str, Path] = {}
        for i, spec in enumerate(device.points):
            place = (*at, "points", i)
            self._unique(own, spec.name, (*place, "name"), "point")
            merged[spec.name] = (spec, place)
        for name, limits in device.alarms.items():
            if name not in merged:
                self._fault((*at, "alarms", name), f"no point is called {name!r}")
                continue
            spec, place = merged[name]
            merged[name] = (msgspec.structs.replace(spec, **limits.given()), place)
        if not merged and device.profile is None:
            self._fault(at, f"device {device.name!r} has neither a profile nor points: give one")
        return list(merged.values())

    def _unique(self, seen: dict[str, Path], name: str, at: Path, what: str) -> None:
        if name in seen:
            self._fault(at, f"a second {what} is called {name!r}: rename one")
        seen.setdefault(name, at)

    def _fault(self, at: Path, message: str) -> None:
        self.faults.append(Fault(at, message))


def _place(message: str, where: Mapping[str, Path], channel: Path) -> Path:
    """The line of the first point that the message names."""
    for word in re.findall(r"[A-Za-z0-9_][A-Za-z0-9_.\-/]*", message):
        if word in where:
            return where[word]
    return channel
