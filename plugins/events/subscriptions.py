"""Where a company sends its events: to a webhook, into a job, to a function of a plugin."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET
from sqlalchemy import select

from hub import JOBS, REPLAYER, Ctx, Invalid, Job, Op, Resource

from .expressions import compile_
from .models import Endpoint, Subscription, Target

subscriptions = Resource(
    name="subscriptions",
    model=Subscription,
    title="Subscriptions",
    filters=("subscriber_name", "event_type", "handler_type", "is_active"),
    sort=("subscriber_name", "-priority", "created_at"),
    search=("subscriber_name", "event_type"),
)


class ToWebhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    webhook_id: UUID


class ToQueue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """parameters_map: parameter of the job → path in the event (`data.total`, `id`)."""

    job_type: str
    parameters_map: dict[str, str] = {}


class ToFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """name: of a function that a plugin opens to subscriptions."""

    name: str


Config = ToWebhook | ToQueue | ToFunction
_CONFIGS: Mapping[Target, Any] = {
    Target.WEBHOOK: ToWebhook,
    Target.QUEUE: ToQueue,
    Target.FUNCTION: ToFunction,
}


def config(target: Target, given: Mapping[str, Any]) -> Config:
    """What `handler_config` says, or Invalid."""
    try:
        found: Config = msgspec.convert(given, _CONFIGS[target])
    except msgspec.ValidationError as error:
        raise Invalid(f"handler_config: {error}", field="handler_config") from None
    return found


def job_of(ctx: Ctx, name: str) -> Job:
    """A kind of job that people may start, too."""
    found = ctx.get(JOBS).known.get(name)
    if found is None or not found.manual:
        raise Invalid(f"there is no job type {name!r} to start", field="handler_config")
    return found


def parameters(kind: Job, names: Mapping[str, str], event: Mapping[str, Any]) -> msgspec.Struct:
    """The job's parameters, filled from the event."""
    given = {name: _at(event, path) for name, path in names.items()}
    try:
        return msgspec.convert(given, kind.params)
    except msgspec.ValidationError as error:
        raise Invalid(f"parameters: {error}", field="handler_config") from None


def _at(event: Any, path: str) -> Any:
    for part in path.split("."):
        event = event.get(part) if isinstance(event, Mapping) else None
    return event


async def _check(ctx: Ctx, row: Subscription) -> None:
    """Refuse what could never be delivered."""
    if row.filter_expression is not None:
        compile_(row.filter_expression)
    wanted = config(row.handler_type, row.handler_config)
    if isinstance(wanted, ToWebhook):
        known = await ctx.db.scalar(select(Endpoint.id).where(Endpoint.id == wanted.webhook_id))
        if known is None:
            raise Invalid(f"there is no webhook {wanted.webhook_id}", field="handler_config")
    elif isinstance(wanted, ToQueue):
        fields = set(job_of(ctx, wanted.job_type).params.__struct_fields__)
        if stray := set(wanted.parameters_map) - fields:
            raise Invalid(
                f"{wanted.job_type} takes no {', '.join(sorted(stray))}", field="handler_config"
            )
    else:
        found = ctx.get(REPLAYER).subscribers.get(wanted.name)
        if found is None or found.patterns:
            raise Invalid(f"there is no function {wanted.name!r}", field="handler_config")


def _set(row: Subscription, body: Any) -> None:
    for name in body.__struct_fields__:
        if (value := getattr(body, name)) is not UNSET:
            setattr(row, name, value)


@subscriptions.on(Op.CREATE)
async def create(ctx: Ctx, body: Any) -> Subscription:
    """Send events somewhere from now on."""
    row = Subscription(created_by=ctx.actor.id)
    _set(row, body)
    await _check(ctx, row)
    ctx.db.add(row)
    return row


@subscriptions.on(Op.UPDATE)
async def change(ctx: Ctx, row: Subscription, body: Any) -> None:
    """Change what goes where."""
    _set(row, body)
    await _check(ctx, row)
