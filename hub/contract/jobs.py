"""Work in the background: declared by plugins, asked for inside a transaction, run by workers."""

import datetime as dt
import enum
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, get_type_hints
from uuid import UUID

import msgspec

from .errors import HubError
from .key import Key

if TYPE_CHECKING:
    from .context import Ctx


class Queue(enum.StrEnum):
    """Jobs of one queue wait for each other only: urgent, ordinary, waiting for peers, heavy."""

    CRITICAL = "critical"
    DEFAULT = "default"
    IO = "io"
    HEAVY = "heavy"


class Permanent(HubError):
    """This job can never succeed: it is not tried again."""

    code = "job_failed"


class Cancelled(HubError):
    """Somebody asked this job to stop."""

    code = "job_cancelled"


class NoParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A job that needs to be told nothing."""


class Run(Protocol):
    """One run of a job, as its function sees it. number: 1 at the first attempt."""

    id: UUID
    tenant: UUID
    number: int

    def unit(self) -> "AbstractAsyncContextManager[Ctx]":
        """A transaction of the job's tenant. Keep them short: what they wrote survives a retry."""

    async def progress(self, percent: int, message: str = "") -> None:
        """Say how far it is (0 to 100), written at most once a second. Raises Cancelled."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A kind of job. A run may be repeated after a crash: its function must survive that.

    params: msgspec struct of what it is told. priority: 0 first, 9 last. retries: after the first
    attempt, with pauses of 10, 40, 160 s … timeout: seconds of one attempt. manual: people may
    start it.
    """

    name: str
    handler: Callable[[Run, Any], Awaitable[Any]]
    params: type[msgspec.Struct] = NoParams
    queue: Queue = Queue.DEFAULT
    priority: int = 5
    retries: int = 3
    timeout: float = 3600.0
    manual: bool = False
    title: str = ""


def job(name: str, **options: Any) -> Callable[[Callable[[Run, Any], Awaitable[Any]]], Job]:
    """`@job("billing_run", queue=Queue.HEAVY)` on `async def f(run, params: Params)`."""

    def make(handler: Callable[[Run, Any], Awaitable[Any]]) -> Job:
        params = get_type_hints(handler).get("params", NoParams)
        title = (handler.__doc__ or "").partition("\n")[0]
        return Job(name=name, handler=handler, params=params, title=title, **options)

    return make


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Starts a job in every tenant, in the tenant's time zone unless one is named.

    cron: five fields; or every: seconds. catch_up: a run that was missed is made up for, once.
    """

    code: str
    job: str
    cron: str = ""
    every: int = 0
    zone: str = ""
    params: Any = None
    catch_up: bool = True
    active: bool = True


class Jobs(Protocol):
    """Asks for jobs. known: every kind, by name."""

    @property
    def known(self) -> Mapping[str, Job]: ...

    async def start(
        self,
        ctx: "Ctx",
        job: Job | str,
        params: msgspec.Struct | None = None,
        *,
        at: dt.datetime | None = None,
        priority: int | None = None,
        key: str = "",
    ) -> UUID:
        """Start a job when the transaction commits, for the tenant of the actor; its id.

        at: not before. key: while a job of that key waits or runs, it is the answer instead.
        """


JOBS = Key[Jobs]("jobs")
