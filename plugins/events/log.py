"""What happened, who handled it, what was given up; and handling it again."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from hub import REPLAYER, Ctx, Event, Key, Op, Plugin, Resource, query

from .models import DeadLetter, LoggedEvent, Processing

log = Resource(
    name="log",
    model=LoggedEvent,
    title="Events",
    ops=Op.READ,
    filters=(
        *("type", "actor", "status", "created_at"),
        *("request_id", "correlation_id", "causation_id"),
    ),
    sort=("created_at", "type"),
    search=("type",),
)
processing = Resource(
    name="processing-logs",
    model=Processing,
    title="Processing of events",
    ops=Op.READ,
    filters=("event_id", "subscriber", "status", "created_at"),
    sort=("created_at", "duration_ms"),
)
dead_letters = Resource(
    name="dead-letters",
    model=DeadLetter,
    title="Events given up",
    ops=Op.LIST,
    filters=("event_id", "event_type", "subscriber", "created_at"),
    sort=("created_at",),
)


class Replay(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """subscribers: by name; all that want the event when absent."""

    subscribers: Annotated[list[str], Meta(min_length=1, max_length=100)] | None = None


class Replayed(msgspec.Struct, kw_only=True):
    """To how many subscribers it goes again."""

    subscribers: int


@log.action("replay")
async def replay(ctx: Ctx, row: LoggedEvent, body: Replay) -> Replayed:
    """Have an event handled again, under its own id."""
    return Replayed(subscribers=await ctx.get(REPLAYER).replay(ctx, row.id, body.subscribers))


class EventType(msgspec.Struct, kw_only=True):
    """payload: JSON Schema of `data`. subscribers: whoever handles it in this installation."""

    type: str
    plugin: str
    description: str
    payload: dict[str, Any]
    subscribers: list[str]


class Catalogue(msgspec.Struct):
    items: list[EventType]


Types = Mapping[str, tuple[str, type[Event]]]
TYPES = Key[Types]("event types")


def known(plugins: Iterable[Plugin]) -> Types:
    """Every declared event with its plugin, by type."""
    return {
        str(kind.__struct_config__.tag): (plugin.name, kind)
        for plugin in plugins
        for kind in plugin.events
    }


def _payload(kind: type[Event]) -> dict[str, Any]:
    (found,), parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    name = found["$ref"].rpartition("/")[2]
    own = dict(parts.pop(name))
    own["properties"] = {k: v for k, v in own["properties"].items() if k != "type"}
    own["required"] = [r for r in own.get("required", ()) if r != "type"]
    return own | ({"$defs": parts} if parts else {})


@query("types", permission="events.log.read")
async def types(ctx: Ctx) -> Catalogue:
    """Return every type of event, what it tells, and who handles it."""
    subscribers = ctx.get(REPLAYER).subscribers.values()
    return Catalogue(
        [
            EventType(
                type=name,
                plugin=plugin,
                description=(kind.__doc__ or "").partition("\n")[0],
                payload=_payload(kind),
                subscribers=sorted(s.name for s in subscribers if s.wants(name)),
            )
            for name, (plugin, kind) in sorted(ctx.get(TYPES).items())
        ]
    )
