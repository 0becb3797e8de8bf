"""`/api/v1/sync/gateways`."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from hub import Ctx, NotFound, action, query

from . import registry
from .registry import GatewayRow, Joined

READ, WRITE = "sync.gateways.read", "sync.gateways.write"


class NewGateway(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """name: as the gateway's own file says it; unique at this centre."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}$")]


class Gateways(msgspec.Struct):
    items: list[GatewayRow]


@query("gateways", module="sync", permission=READ)
async def listed(ctx: Ctx) -> Gateways:
    """List the gateways with what they say of themselves and how far behind they are."""
    return Gateways(await registry.gateways(ctx))


@query("gateways/{id}", module="sync", permission=READ)
async def shown(ctx: Ctx, id: UUID) -> GatewayRow:  # noqa: A002
    """Return one gateway."""
    found = await registry.gateways(ctx, id)
    if not found:
        raise NotFound("there is no such gateway", resource="gateways", identifier=str(id))
    return found[0]


@action("gateways", module="sync", permission=WRITE, status=201)
async def created(ctx: Ctx, body: NewGateway) -> Joined:
    """Let a gateway join; its key is in this answer and never again."""
    return await registry.join(ctx, ctx.actor.tenant, body.name)


@action("gateways/{id}/re-enrol", module="sync", permission=WRITE)
async def re_enrol(ctx: Ctx, id: UUID) -> Joined:  # noqa: A002
    """Give a gateway a new key; the old one ends at once."""
    return await registry.renewed(ctx, ctx.actor.tenant, ident=id)


@action("gateways/{id}/enable", module="sync", permission=WRITE)
async def enable(ctx: Ctx, id: UUID) -> GatewayRow:  # noqa: A002
    """Let a gateway send again."""
    await registry.switch(ctx, id, True)
    return (await registry.gateways(ctx, id))[0]


@action("gateways/{id}/disable", module="sync", permission=WRITE)
async def disable(ctx: Ctx, id: UUID) -> GatewayRow:  # noqa: A002
    """Refuse what a gateway sends; its readings stay."""
    await registry.switch(ctx, id, False)
    return (await registry.gateways(ctx, id))[0]


ACTIONS = (listed, shown, created, re_enrol, enable, disable)
