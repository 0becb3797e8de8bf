"""Following rows as they change, whichever process changes them."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from hub import NEWS, UNIT, Ctx, Resource

MOST_AT_ONCE = 500
OVERLAP = dt.timedelta(seconds=10)  # a transaction that began earlier may commit later


async def notify(ctx: Ctx, topic: str, tenant: UUID | None = None) -> None:
    """Wake whoever follows this topic in a company (the caller's) once the transaction commits."""
    named = f"{topic}.{tenant or ctx.actor.tenant}"
    await ctx.db.execute(select(func.pg_notify("busbar_news", named)))


def following(
    ctx: Ctx, res: Resource[Any], topic: str, where: Sequence[ColumnElement[bool]] = ()
) -> AsyncIterator[list[Any]]:
    """Rows of a Resource after each change, as the caller of `ctx` may see them."""
    unit, actor = ctx.get(UNIT), ctx.actor
    news = ctx.get(NEWS).follow(f"{topic}.{actor.tenant}")
    model, last = res.model, min(dt.datetime.now(dt.UTC), ctx.clock())

    async def stream() -> AsyncIterator[list[Any]]:
        nonlocal last
        seen: dict[UUID, int] = {}
        async for _ in news:
            async with unit(actor) as inside:
                fields = [getattr(model, name) for name in res.read_fields]
                stmt = select(*fields).where(model.updated_at >= last - OVERLAP, *where)
                rows = await inside.db.execute(stmt.order_by(model.updated_at))
                found: list[Any] = [res.read(*row) for row in rows]
            changed = [a for a in found if seen.get(a.id) != a.revision]
            last = max([last, *(a.updated_at for a in found)])
            seen = {a.id: a.revision for a in found if a.updated_at >= last - OVERLAP}
            for start in range(0, len(changed), MOST_AT_ONCE):
                yield changed[start : start + MOST_AT_ONCE]

    return stream()
