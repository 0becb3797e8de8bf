"""The generic dialect: payloads described by the configuration."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from hub import Command, ConfigError, Outcome, Point, ProtocolError, Result

from .config import GenericConfig, MqttDevice
from .dialect import Publication
from .paths import MISSING, Path, find, parse
from .rows import Rows, read_time

WILL = "will"


class GenericAddress(msgspec.Struct, frozen=True):
    """word: of the device's topics, or `command` with the name of a command in place of a path."""

    word: str
    path: Path = ()
    command: str = ""


def generic_address(text: str, device: MqttDevice) -> GenericAddress:
    word, colon, rest = text.partition(":")
    if word.startswith("$") or not colon:
        word, rest = "data", text
    if word == "command":
        if rest not in device.commands:
            raise ConfigError(f"device {device.name!r} has no command {rest!r}")
        return GenericAddress(word, command=rest)
    if word not in device.topics:
        raise ConfigError(f"device {device.name!r} has no topic {word!r}")
    return GenericAddress(word, parse(rest))


class _Source:
    """One topic of one device, and the points that it feeds."""

    def __init__(self, device: MqttDevice, word: str, points: Sequence[Point]) -> None:
        self.device, self.word = device, word
        self.topic = device.topics[word].replace("{id}", device.id)
        self.points = [(p, p.address.path) for p in points if p.address.word == word]
        self.time = parse(device.time) if device.time else None
        self.array = parse(device.array) if device.array else None
        self.all = [p for p in points if p.address.word != "command"]

    @property
    def wild(self) -> bool:
        return "+" in self.topic or "#" in self.topic


class GenericDialect:
    def __init__(self, config: GenericConfig, points: Sequence[Point]) -> None:
        self._config = config
        self._devices = {device.name: device for device in config.devices}
        sources = [
            _Source(device, word, [p for p in points if p.device == device.name])
            for device in config.devices
            for word in device.topics
        ]
        self._exact: dict[str, list[_Source]] = {}
        for source in sources:
            if not source.wild:
                self._exact.setdefault(source.topic, []).append(source)
        self._wild = [(_pattern(s.topic), s) for s in sources if s.wild]

    def topics(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*self._exact, *(s.topic for _, s in self._wild)]))

    def will(self, now: int) -> Publication | None:
        topic = self._config.will_topic
        return Publication(topic=topic, payload=b"offline", retain=True) if topic else None

    def greeting(self, now: int) -> Iterable[Publication]:
        topic = self._config.will_topic
        if topic:
            yield Publication(topic=topic, payload=b"online", retain=True)

    def device(self, topic: str) -> str:
        return next((source.device.name for source in self._sources(topic)), "")

    def read(self, topic: str, payload: bytes, now: int, rows: Rows) -> Iterable[Publication]:
        for source in self._sources(topic):
            if source.word == WILL:
                if payload == source.device.offline.encode():
                    rows.lose(source.all, now)
            else:
                _read_into(source, _document(payload), now, rows)
        return ()

    def _sources(self, topic: str) -> list[_Source]:
        wild = (source for pattern, source in self._wild if pattern.fullmatch(topic))
        return [*self._exact.get(topic, ()), *wild]

    def order(self, command: Command, now: int) -> Publication | Result:
        address: GenericAddress = command.point.address
        if address.word != "command":
            return Result(outcome=Outcome.NOT_SUPPORTED, detail=f"{command.point.key} is read only")
        device = self._devices[command.point.device]
        topic, template = device.commands[address.command]
        payload = template.replace("{value}", _written(command)).replace("{id}", device.id)
        return Publication(
            topic=topic.replace("{id}", device.id),
            payload=payload.replace("{command_id}", command.id).encode(),
            qos=self._config.qos,
            expires=max(1, (command.expires - now) // 1_000_000),
        )


def _read_into(source: _Source, document: Any, now: int, rows: Rows) -> None:
    items = [document]
    if source.array is not None:
        found = find(document, source.array)
        if not isinstance(found, list):
            raise ProtocolError(f"no list at {source.device.array}")
        items = found
    for item in items:
        stamp = find(item, source.time) if source.time is not None else None
        if stamp is MISSING and source.time is not None:
            stamp = find(document, source.time)
        time, quality = read_time(None if stamp is MISSING else stamp, now)
        for point, path in source.points:
            raw = find(item, path)
            if raw is not MISSING:
                rows.add(point, raw, time, quality)


def _document(payload: bytes) -> Any:
    """JSON, or the bare text of a payload that is none."""
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        try:
            return payload.decode()
        except UnicodeDecodeError:
            raise ProtocolError("neither JSON nor text") from None


def _written(command: Command) -> str:
    value = command.value
    return value if isinstance(value, str) else f"{value:g}"


def _pattern(topic: str) -> re.Pattern[str]:
    """A topic filter as a pattern (MQTT 5.0, 4.7.1)."""
    text = re.escape(topic).replace(r"\+", "[^/]*")
    return re.compile(re.sub(r"/?\\#$", "(/.*)?", text))
