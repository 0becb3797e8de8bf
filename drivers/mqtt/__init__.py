"""MQTT 3.1.1 and 5: Acrel's platform, Sparkplug B, and payloads described by the configuration."""

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from hub import SITE, Plugin, Role, hookimpl, kept

if TYPE_CHECKING:
    from drivers.mqtt.shown import Publisher

DRIVERS = ("mqtt", "mqtt-acrel", "mqtt-sparkplug")


@hookimpl
def hub_plugin() -> Plugin:
    from drivers.mqtt.driver import MqttDriver
    from drivers.mqtt.shown import MqttSettings

    return Plugin(
        name="mqtt",
        title="MQTT",
        runs_on=Role.BOTH,
        after=("gateway",),
        settings=MqttSettings,
        drivers=dict.fromkeys(DRIVERS, MqttDriver),
    )


@hookimpl
def hub_services(hub: Any) -> list[AbstractAsyncContextManager[Any]]:
    from drivers.mqtt.shown import MqttSettings

    if SITE not in hub.services:
        return []  # the centre has no points of its own
    own = msgspec.convert(hub.settings.plugin.get("mqtt", {}), MqttSettings)
    return [_publishing(hub, at, each) for at, each in enumerate(own.publishers) if each.enabled]


def _publishing(hub: Any, at: int, config: "Publisher") -> AbstractAsyncContextManager[None]:
    from drivers.mqtt.publisher import Publishing

    def where(name: str, row: int) -> str:
        place: str = hub.settings.origin.place(("plugin", "mqtt", "publishers", at, name, row))
        return place

    publishing = Publishing(config, hub.settings.gateway.name, hub.get(SITE), where)
    return kept(f"mqtt publisher {config.name}", publishing.run, config.backoff)


@hookimpl
def hub_cli(app: typer.Typer) -> None:
    from drivers.mqtt.cli import app as commands

    app.add_typer(commands, name="mqtt")
