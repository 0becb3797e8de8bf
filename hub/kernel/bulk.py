"""One verb on many rows, all or none."""

import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from hub.contract.context import Ctx
from hub.contract.errors import HubError, Invalid, NotFound
from hub.contract.resource import Op, Resource

from . import crud
from .imports import attempt

MOST = 1_000
Ids = Annotated[list[UUID], Meta(min_length=1, max_length=MOST)]


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What a bulk request says. body: what the verb takes for each row."""

    name: str
    permission: str | None
    type: type[msgspec.Struct]
    work: Callable[[Ctx, Any, Any], Awaitable[Any]]


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows it was done to."""

    done: int


@functools.cache
def asks(res: Resource[Any]) -> tuple[Ask, ...]:
    """The verbs of a resource that can be done to many rows at once."""
    found = []
    if Op.UPDATE in res.ops:

        async def change(ctx: Ctx, row: Any, body: Any) -> None:
            await crud.update(ctx, res, row, body)

        found.append(_ask(res, "update", res.permission(Op.UPDATE), res.update, change))
    if Op.DELETE in res.ops:

        async def remove(ctx: Ctx, row: Any, _: Any) -> None:
            await crud.delete(ctx, res, row)

        found.append(_ask(res, "delete", res.permission(Op.DELETE), None, remove))
    for action in res.actions.values():
        sign = action.signature
        if not action.item or action.method != "POST" or sign.params is not None:
            continue

        async def act(ctx: Ctx, row: Any, body: Any, action: Any = action) -> None:
            more = {} if body is None else {"body": body}
            await action.handler(ctx, row=row, **more)

        found.append(_ask(res, action.name, res.action_permission(action), sign.body, act))
    return tuple(found)


def _ask(res: Resource[Any], name: str, permission: str | None, body: Any, work: Any) -> Ask:
    fields: list[Any] = [("ids", Ids)]
    if body is not None:
        fields.append(("body", body))
    title = "".join(w.title() for w in [*res.model.__tablename__.split("_"), *name.split("-")])
    made = msgspec.defstruct(
        f"{title}Bulk", fields, kw_only=True, forbid_unknown_fields=True, module=__name__
    )
    return Ask(name=name, permission=permission, type=made, work=work)


async def run(ctx: Ctx, res: Resource[Any], ask: Ask, given: Any) -> Done:
    """Do it to every row. One that cannot is named with the reason, and then nothing is done."""
    idents: Sequence[UUID] = given.ids
    if len(set(idents)) != len(idents):
        raise Invalid("ids: one of them is there twice", field="ids")
    rows = await crud.several(ctx, res, idents)
    body, errors = getattr(given, "body", None), []
    for ident in idents:
        try:
            if ident not in rows:
                raise NotFound(f"there is no {res.name} {ident}")
            await attempt(ctx, ask.work, ctx, rows[ident], body)
        except HubError as error:
            field = str(error.extra.get("field", ""))
            errors.append(
                {"id": str(ident), "field": field, "code": error.code, "message": str(error)}
            )
    if errors:
        raise Invalid(
            f"{len(errors)} of {len(idents)} rows cannot: nothing was done", errors=errors
        )
    return Done(done=len(idents))
