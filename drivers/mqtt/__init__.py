"""MQTT 3.1.1 and 5: Acrel's platform, Sparkplug B, and payloads described by the configuration."""

import typer

from hub import Plugin, Role, hookimpl

DRIVERS = ("mqtt", "mqtt-acrel", "mqtt-sparkplug")


@hookimpl
def hub_plugin() -> Plugin:
    from drivers.mqtt.driver import MqttDriver

    return Plugin(
        name="mqtt",
        title="MQTT",
        runs_on=Role.BOTH,
        drivers=dict.fromkeys(DRIVERS, MqttDriver),
    )


@hookimpl
def hub_cli(app: typer.Typer) -> None:
    from drivers.mqtt.cli import app as commands

    app.add_typer(commands, name="mqtt")
