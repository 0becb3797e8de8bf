"""Jobs: work in the background, by the clock or on request, with progress and an end."""

import contextlib
import socket
from collections.abc import AsyncIterator
from os import getpid
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from hub import DSN, JOBS, SIGNALS, UNIT, ConfigError, Plugin, hookimpl

from .cleaning import DAILY, clean
from .happenings import EVENTS
from .live import jobs as own_jobs
from .live import one
from .queue import TaskQueue
from .resources import TASKS, cancel_mine, jobs, mine, queues, schedules, types

__all__ = ["EVENTS"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """work: whether this process runs jobs; others may. silent_seconds: without a sign of life
    after which a worker counts as dead."""

    work: bool = True
    silent_seconds: Annotated[float, Meta(ge=1, le=600)] = 30.0


@hookimpl
def hub_plugin() -> Plugin:
    return Plugin(
        name="jobs",
        title="Jobs",
        requires=("identity",),
        after=("realtime",),
        resources=(jobs, schedules),
        actions=(mine, cancel_mine, types, queues),
        rooms=(one, own_jobs),
        events=EVENTS,
        jobs=(clean,),
        schedules=(DAILY,),
        settings=Settings,
        locale=Path(__file__).parent / "locale",
        migrations=Path(__file__).parent / "migrations",
    )


@hookimpl
def hub_services(hub: Any) -> list[contextlib.AbstractAsyncContextManager[Any]]:
    return [_working(hub)]


@contextlib.asynccontextmanager
async def _working(hub: Any) -> AsyncIterator[None]:
    known = {job.name: job for plugin in hub.plugins.values() for job in plugin.jobs}
    schedules_ = [s for plugin in hub.plugins.values() for s in plugin.schedules]
    if stray := {s.job for s in schedules_} - set(known):
        raise ConfigError(f"schedules name jobs that no plugin brings: {', '.join(sorted(stray))}")
    tasks = TaskQueue(known)
    hub.provide(JOBS, tasks)
    hub.provide(TASKS, tasks)
    settings = msgspec.convert(hub.settings.plugin.get("jobs", {}), Settings)
    if not settings.work:
        yield
        return
    from .worker import Workers

    name = f"{socket.gethostname()}-{getpid()}"
    workers = Workers(
        hub.get(UNIT),
        hub.get(SIGNALS),
        tasks,
        hub.get(DSN),
        name=name,
        schedules=schedules_,
        silent=settings.silent_seconds,
    )
    async with workers.running(hub.started):
        yield
