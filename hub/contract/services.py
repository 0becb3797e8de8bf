"""Typed names of what a process offers: a plugin finds a service without knowing who runs it."""

from typing import Generic, TypeVar

from .context import UnitOfWork
from .events import Replayer
from .http import HttpClient
from .jobs import Jobs
from .journal import Journal
from .signals import Signals
from .telemetry import PointDirectory, ReadingStore
from .vault import Vault

T = TypeVar("T")


class Key(Generic[T]):
    """The typed name of a service; compared by identity."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Key({self.name!r})"


JOURNAL = Key[Journal]("journal")
STORE = Key[ReadingStore]("readings")
DIRECTORY = Key[PointDirectory]("points")
UNIT = Key[UnitOfWork]("unit of work")
HTTP = Key[HttpClient]("http client")
SIGNALS = Key[Signals]("signals")
VAULT = Key[Vault]("vault")
REPLAYER = Key[Replayer]("replayer of events")
JOBS = Key[Jobs]("jobs")
DSN = Key[str]("address of the database, as the application's role")
