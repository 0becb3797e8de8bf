"""Firmware profiles: how to talk to one device model, as TOML files that are checked on loading.

A profile lives at `<vendor>/<model>.toml`, which is also its code. A point that is named like a
canonical measurement takes unit and kind from it, so that a row need only say where the value is.
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from config.lines import Lines
from hub.contract.driver import DeviceConfig, Driver
from hub.contract.errors import ConfigError
from hub.contract.measurements import measurements
from hub.contract.points import Kind, Order, PointName, PointSpec

SHIPPED = Path(__file__).parents[2] / "firmware_profiles"

T = TypeVar("T")
Check = Callable[[str, PointSpec], object]
Capability = Literal["relay", "tariff", "prepaid", "events", "time_sync", "breaker", "generation"]


class Defaults(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a channel or a row takes when it says nothing. port: TCP. unit: address on the line."""

    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    unit: Annotated[int, Meta(ge=0, le=65535)] | None = None
    type: str = ""
    byte_order: Order = "big"
    word_order: Order = "big"
    every: Annotated[float, Meta(gt=0)] | None = None


class Identify(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One value by which the device is recognised."""

    address: str
    type: str
    equals: float | str
    description: str = ""


class CommandSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A control. values: word → value that is written. feedback: the point that shows it."""

    name: PointName
    kind: Literal["binary", "analog"]
    address: str
    type: str = ""
    values: dict[str, float] = {}
    select_before_operate: bool = False
    feedback: str = ""
    unit: str = ""
    scale: float = 1.0
    description: str = ""
    source: str = ""

    def point(self, defaults: Defaults) -> PointSpec:
        """The control as a point that can be written."""
        binary = self.kind == "binary"
        return PointSpec(
            name=self.name,
            address=self.address,
            type=self.type or ("bool" if binary else defaults.type),
            kind=Kind.BINARY if binary else Kind.ANALOG,
            byte_order=defaults.byte_order,
            word_order=defaults.word_order,
            unit=self.unit,
            scale=self.scale,
            is_switch=binary,
            writable=True,
            feedback=self.feedback,
            select=self.select_before_operate,
            states={f"{value:g}": word for word, value in self.values.items()},
            description=self.description,
            source=self.source,
        )


class Header(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A profile without its rows. firmware: range of versions, empty when the source names none."""

    code: Annotated[str, Meta(pattern=r"^[a-z0-9_]+/[a-z0-9_]+$")]
    manufacturer: str
    model: str
    title: str
    protocol: str
    reference: Annotated[str, Meta(min_length=1)]
    firmware: str = ""
    defaults: Defaults = Defaults()
    identify: tuple[Identify, ...] = ()
    capabilities: tuple[Capability, ...] = ()


class Profile(Struct, frozen=True, kw_only=True):
    """A device model, checked. points: what can be read, then the controls; defaults filled in."""

    header: Header
    points: tuple[PointSpec, ...]
    commands: tuple[CommandSpec, ...]
    file: Path

    @property
    def code(self) -> str:
        return self.header.code

    @property
    def protocol(self) -> str:
        return self.header.protocol

    @property
    def defaults(self) -> Defaults:
        return self.header.defaults

    def measuring(self, name: str) -> PointSpec | None:
        """The first point of that canonical measurement."""
        return next((p for p in self.points if p.measurement == name), None)


class Fault(Struct, frozen=True):
    """What is wrong with a profile, and where."""

    file: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class Profiles:
    """All profiles below some folders; one in a later folder replaces its namesake.

    check: called with (protocol, point) for every row; raises ConfigError when the driver of that
    protocol does not know the address or the type. Profiles with faults are listed, not loaded.
    """

    def __init__(self, folders: Iterable[Path] = (SHIPPED,), check: Check | None = None) -> None:
        self._profiles: dict[str, Profile] = {}
        self.faults: list[Fault] = []
        for folder in folders:
            if not folder.is_dir():
                self.faults.append(Fault(folder, 1, "no such folder of profiles"))
            for file in sorted(folder.glob("*/*.toml")):
                profile, faults = load(file, check)
                self.faults += faults
                if profile and not faults:
                    self._profiles[profile.code] = profile

    def all(self) -> tuple[Profile, ...]:
        return tuple(self._profiles[code] for code in sorted(self._profiles))

    def find(self, code: str) -> Profile:
        """The profile of that code; ConfigError says which ones are near, or what is wrong."""
        if code in self._profiles:
            return self._profiles[code]
        bad = [
            str(f) for f in self.faults if f.file.with_suffix("").as_posix().endswith(f"/{code}")
        ]
        if bad:
            raise ConfigError(f"profile {code!r} has errors and is not loaded: {'; '.join(bad)}")
        near = difflib.get_close_matches(code, self._profiles, 3, 0.5)
        hint = f"did you mean {', '.join(near)}?" if near else "see `busbar profiles list`"
        raise ConfigError(f"no profile {code!r}: {hint}")


def driver_check(drivers: Mapping[str, type[Driver[Any]]]) -> Check:
    """A check by the drivers that are there, by name; protocols without one pass unchecked.

    A protocol's driver is called like it, or like it with a carrier (`modbus-tcp`).
    """
    by_protocol = {name.split("-")[0]: driver for name, driver in drivers.items()} | dict(drivers)

    def check(protocol: str, spec: PointSpec) -> None:
        if driver := by_protocol.get(protocol):
            driver.address(spec, DeviceConfig(name="any"))

    return check


def load(file: Path, check: Check | None = None) -> tuple[Profile | None, list[Fault]]:
    """Read one file; all its faults at once, in the order of lines."""
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return None, [Fault(file, 1, f"cannot be read: {error}")]
    return parse(text, file, check)


def parse(text: str, file: Path, check: Check | None = None) -> tuple[Profile | None, list[Fault]]:
    """The profile that stands in `file`, as far as it can be understood, and all its faults."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"line (\d+)", str(error))
        return None, [Fault(file, int(at[1]) if at else 1, f"not TOML: {error}")]
    reader = _Reader(file, table, Lines(text), check)
    profile = reader.profile()
    return profile, sorted(reader.faults, key=lambda fault: fault.line)


def _path(error: str) -> tuple[str | int, ...]:
    """The place in msgspec's message (`… - at `$.points[3].unit``), with a key that it refuses."""
    place = re.search(r"at `(key in )?\$([^`]*)`", error)
    parts = re.findall(r"\[(\d+)\]|\.(\w+)", place[2]) if place else []
    path = tuple(int(index) if index else key for index, key in parts)
    unknown = re.search(r"unknown field `([^`]+)`", error)
    return (*path, unknown[1]) if unknown else path


class _Reader:
    """Turns one parsed file into a Profile and collects what is wrong with it."""

    def __init__(
        self, file: Path, table: dict[str, Any], lines: Lines, check: Check | None
    ) -> None:
        self.file, self.lines, self.check = file, lines, check
        self.faults: list[Fault] = []
        self._rows = {key: table.pop(key, []) for key in ("points", "commands")}
        self._table = table

    def fault(self, message: str, *path: str | int) -> None:
        self.faults.append(Fault(self.file, self.lines.nearest(*path), message))

    def profile(self) -> Profile | None:
        header = self._convert(self._table, Header)
        if header is None:
            return None
        points = [self._point(header, i, row) for i, row in self._each("points")]
        commands = [
            self._convert(row, CommandSpec, "commands", i) for i, row in self._each("commands")
        ]
        placed = [(p, ("points", i)) for i, p in enumerate(points) if p]
        controls = [
            (c.point(header.defaults), ("commands", i)) for i, c in enumerate(commands) if c
        ]
        self._check_header(header)
        self._check_rows(header, [*placed, *controls])
        names = {p.name for p, _ in placed}
        for i, command in enumerate(commands):
            if command and command.feedback and command.feedback not in names:
                self.fault(f"feedback {command.feedback!r} is no point", "commands", i, "feedback")
        return Profile(
            header=header,
            points=tuple(p for p, _ in (*placed, *controls)),
            commands=tuple(c for c in commands if c),
            file=self.file,
        )

    def _each(self, key: str) -> Iterator[tuple[int, dict[str, Any]]]:
        rows = self._rows[key]
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            self.fault(f"{key!r} must be an array of tables", key)
            return
        yield from enumerate(rows)

    def _convert(self, row: Any, to: type[T], *path: str | int) -> T | None:
        try:
            return msgspec.convert(row, to)
        except msgspec.ValidationError as error:
            message = re.sub(r" - at `.*`$", "", str(error))
            at = _path(str(error))
            key = next((str(k) for k in reversed(at) if isinstance(k, str)), "")
            self.fault(f"{key}: {message}" if key else message, *path, *at)
            return None

    def _point(self, header: Header, index: int, row: dict[str, Any]) -> PointSpec | None:
        known = measurements()
        inherited: dict[str, Any] = {
            "type": header.defaults.type,
            "byte_order": header.defaults.byte_order,
            "word_order": header.defaults.word_order,
            "source": header.reference,
        }
        if header.defaults.every:
            inherited["every"] = header.defaults.every
        name = row.get("name")
        measured = known.get(str(row.get("measurement", name)))
        if measured:
            inherited |= {
                "measurement": measured.name,
                "unit": measured.unit,
                "kind": measured.kind,
            }
        elif row.get("measurement"):
            near = difflib.get_close_matches(row["measurement"], known, 2)
            hint = f"; near: {', '.join(near)}" if near else ""
            self.fault(f"unknown measurement {row['measurement']!r}{hint}", "points", index)
        elif not row.get("description"):
            self.fault(f"{name!r} names no measurement; describe it", "points", index)
        spec = self._convert(inherited | row, PointSpec, "points", index)
        if spec and measured and spec.unit != measured.unit:
            self.fault(
                f"{measured.name} is in {measured.unit!r}, not {spec.unit!r}: scale it there",
                "points",
                index,
                "unit",
            )
        return spec

    def _check_header(self, header: Header) -> None:
        path = f"{self.file.parent.name}/{self.file.stem}"
        if header.code != path:
            self.fault(f"code {header.code!r} is not the file's path {path!r}", "code")
        for i, row in enumerate(header.identify):
            spec = PointSpec(name="identify", address=row.address, type=row.type)
            self._ask_driver(header.protocol, spec, ("identify", i))

    def _check_rows(
        self, header: Header, rows: list[tuple[PointSpec, tuple[str | int, ...]]]
    ) -> None:
        seen: dict[str, tuple[str | int, ...]] = {}
        names = {spec.name for spec, _ in rows}
        if not rows:
            self.fault("no points", "points")
        for spec, at in rows:
            if spec.name in seen:
                first = self.lines.nearest(*seen[spec.name])
                self.fault(f"{spec.name!r} is already a point in line {first}", *at)
            seen.setdefault(spec.name, at)
            if spec.scale_from and spec.scale_from not in names:
                self.fault(f"scale_from {spec.scale_from!r} is no point", *at, "scale_from")
            if spec.scale_from and spec.writable:
                self.fault("a point with scale_from cannot be written", *at, "scale_from")
            if spec.scale == 0:
                self.fault("scale 0 makes every value 0", *at, "scale")
            self._ask_driver(header.protocol, spec, at)
        self._check_writes(rows)

    def _ask_driver(self, protocol: str, spec: PointSpec, at: tuple[str | int, ...]) -> None:
        if self.check is None:
            return
        try:
            self.check(protocol, spec)
        except ConfigError as error:
            self.fault(str(error), *at, "address")

    def _check_writes(self, rows: list[tuple[PointSpec, tuple[str | int, ...]]]) -> None:
        written: list[tuple[str, int, int, PointSpec, tuple[str | int, ...]]] = []
        for spec, at in rows:
            span = _span(spec)
            if not spec.writable or span is None:
                continue
            table, first, last = span
            for other_table, low, high, other, where in written:
                if table == other_table and first <= high and low <= last:
                    line = self.lines.nearest(*where)
                    self.fault(
                        f"{spec.name!r} ({spec.address}) writes over {other.name!r} "
                        f"({other.address}) of line {line}",
                        *at,
                    )
            written.append((table, first, last, spec, at))


def _span(spec: PointSpec) -> tuple[str, int, int] | None:
    """Bits that an address like `hr:4` or `hr:4.2-5` covers; None for other notations."""
    place = re.fullmatch(r"([a-z]+):(\d+)(?:\.(\d+)(?:-(\d+))?)?", spec.address)
    if place is None:
        return None
    table, index = place[1], int(place[2])
    if place[3]:
        return table, index * 16 + int(place[3]), index * 16 + int(place[4] or place[3])
    size = re.fullmatch(r"[a-z]+(16|32|64)", spec.type)
    text = re.fullmatch(r"string:(\d+)", spec.type)
    words = int(size[1]) // 16 if size else (int(text[1]) + 1) // 2 if text else 1
    return table, index * 16, (index + words) * 16 - 1


def table(profiles: Iterable[Profile]) -> str:
    """The devices as a Markdown table."""
    rows = ["| profile | device | models | points | source |", "|---|---|---|---:|---|"]
    rows += [
        f"| `{p.code}` | {p.header.title} | {p.header.model} | {len(p.points)} "
        f"| {p.header.reference} |"
        for p in profiles
    ]
    return "\n".join(rows)
