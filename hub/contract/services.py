"""Typed names of what a process offers: a plugin finds a service without knowing who runs it."""

from .context import UnitOfWork
from .journal import Journal
from .key import Key
from .telemetry import PointDirectory, ReadingStore

__all__ = ["DIRECTORY", "JOURNAL", "STORE", "UNIT", "Key"]

JOURNAL = Key[Journal]("journal")
STORE = Key[ReadingStore]("readings")
DIRECTORY = Key[PointDirectory]("points")
UNIT = Key[UnitOfWork]("unit of work")
