"""The HTTP interface of the Acrel platform: what its webhooks and MQTT missed, and a way back."""

from hub import Plugin, Role, hookimpl


@hookimpl
def hub_plugin() -> Plugin:
    from .driver import AcrelHttpDriver

    return Plugin(
        name="acrel_http",
        title="Acrel platform over HTTP",
        runs_on=Role.BOTH,
        drivers={"acrel-http": AcrelHttpDriver},
    )
