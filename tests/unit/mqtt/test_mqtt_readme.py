"""What the README says of publishers is what there is."""

from pathlib import Path

from drivers.mqtt.config import Broker
from drivers.mqtt.shown import JsonPublisher, MqttSettings, SparkplugPublisher

README = (Path(__file__).parents[3] / "drivers" / "mqtt" / "README.md").read_text()


def test_every_setting_of_a_publisher_is_named() -> None:
    common = set(Broker.__struct_fields__)
    for kind in (JsonPublisher, SparkplugPublisher):
        own = set(kind.__struct_fields__) - common
        assert {field for field in own if f"`{field}`" not in README} == set()
        assert f'"{kind.__struct_config__.tag}"' in README
    assert MqttSettings.__struct_fields__ == ("publishers",)
    assert "[[plugin.mqtt.publishers]]" in README


def test_the_defaults_are_as_told() -> None:
    plain = JsonPublisher(name="up", host="x")
    for field in ("topic", "command", "status"):
        assert f"| `{field}` | `{getattr(plain, field)}` |" in README
    assert f"| `hold` | {plain.hold} |" in README
    assert f"| `command_expires` | {plain.command_expires:g} |" in README
