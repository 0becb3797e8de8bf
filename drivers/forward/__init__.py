"""What the buffer of a gateway has, handed on to databases that others run."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hub import JOURNAL, SITE, Plugin, Role, hookimpl, kept

if TYPE_CHECKING:
    from drivers.forward.settings import Influx


@hookimpl
def hub_plugin() -> Plugin:
    from drivers.forward.settings import ForwardSettings

    return Plugin(
        name="forward",
        title="Forwarders",
        runs_on=Role.GATEWAY,
        after=("gateway",),
        settings=ForwardSettings,
    )


@hookimpl
def hub_services(hub: Any) -> list[AbstractAsyncContextManager[Any]]:
    from drivers.forward.settings import ForwardSettings

    own = msgspec.convert(hub.settings.plugin.get("forward", {}), ForwardSettings)
    return [_forwarding(hub, at, target) for at, target in enumerate(own.influx)]


def _forwarding(hub: Any, at: int, target: "Influx") -> AbstractAsyncContextManager[None]:
    from drivers.forward.cursor import Cursor
    from drivers.forward.forwarding import Forwarding
    from drivers.forward.influx import InfluxForwarder

    def where(row: int) -> str:
        place: str = hub.settings.origin.place(("plugin", "forward", "influx", at, "points", row))
        return place

    forwarding = Forwarding(
        target,
        InfluxForwarder(target, hub.settings.gateway.name),
        Cursor(Path(hub.settings.gateway.data_dir) / f"forward-{target.name}.json"),
        hub.get(JOURNAL),
        hub.get(SITE),
        where,
    )
    return kept(f"forward {target.name}", forwarding.run, target.backoff)
