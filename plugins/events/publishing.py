"""Events of other systems, published over the API."""

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from hub import Ctx, External, Invalid, action

from .log import TYPES

OUTSIDE = "external."
_NAME = re.compile(r"external(\.[a-z0-9_]+)+")


class Published(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    event_type: Annotated[str, Meta(min_length=1, max_length=100)]
    data: dict[str, Any] = {}


class Taken(msgspec.Struct, kw_only=True):
    """correlation_id: finds it, and all that follows from it, in the log."""

    event_type: str
    correlation_id: str


@action("", permission="events.log.publish", status=202, idempotent=True)
async def publish(ctx: Ctx, body: Published) -> Taken:
    """Publish an event of the catalogue that is open to other systems, or any `external.…`."""
    _, kind = ctx.get(TYPES).get(body.event_type, ("", None))
    if kind is not None and kind.external:
        try:
            ctx.emit(msgspec.convert({**body.data, "type": body.event_type}, kind))
        except msgspec.ValidationError as error:
            raise Invalid(f"data: {error}", field="data") from None
    elif kind is None and _NAME.fullmatch(body.event_type):
        ctx.emit(External(name=body.event_type, data=body.data))
    else:
        raise Invalid(
            f"{body.event_type} is not open to other systems; {OUTSIDE}<name> is",
            field="event_type",
        )
    return Taken(event_type=body.event_type, correlation_id=ctx.caller.correlation_id)
