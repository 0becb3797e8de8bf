"""Points and commands for testing dialects without a broker."""

from typing import Any

from drivers.mqtt.driver import MqttDriver
from drivers.mqtt.rows import Rows
from hub import Command, Kind, Point, PointSpec

NOW = 1_785_326_400_000_000  # 2026-07-29 12:00 UTC


class StubLink:
    """The hub's side: a clock that stands, and what was said."""

    def __init__(self) -> None:
        self.time = NOW
        self.warnings: list[str] = []
        self.traffic: list[tuple[bool, str, bytes]] = []

    def now(self) -> int:
        return self.time

    def wire(self, device: str, sent: bool, data: bytes, note: str = "") -> None:
        self.traffic.append((sent, note, data))

    def warn(self, device: str, message: str) -> None:
        self.warnings.append(message)

    def clear(self, device: str) -> None: ...


def points_of(config: Any, rows: dict[str, list[dict[str, Any]]]) -> list[Point]:
    """Points of each device by name, with ids from 1 in order."""
    made = []
    for device in config.devices:
        for row in rows[device.name]:
            spec = PointSpec(**row | {"kind": Kind(row.get("kind", "analog"))})
            made.append(
                Point(
                    id=len(made) + 1,
                    key=f"{device.name}.{spec.name}",
                    device=device.name,
                    spec=spec,
                    address=MqttDriver.address(spec, device),
                )
            )
    return made


def shown(rows: Rows, points: list[Point]) -> list[tuple[str, float | str, int, int]]:
    """(key, value or text, time, quality) of each reading."""
    keys = {p.id: p.key for p in points}
    return [
        (keys[rows.point[i]], rows.text.get(i, rows.value[i]), rows.time[i], rows.quality[i])
        for i in range(len(rows))
    ]


def command(point: Point, value: float | str, seconds: float = 30) -> Command:
    return Command(
        point=point, value=value, actor="t", expires=NOW + int(seconds * 1_000_000), id="c-1"
    )
