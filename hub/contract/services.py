"""Typed names of what a process offers: a plugin finds a service without knowing who runs it."""

from typing import Generic, TypeVar

from .context import UnitOfWork
from .journal import Journal
from .meters import Inflow, MeterDirectory, MeterOrders
from .telemetry import PointDirectory, ReadingStore

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
METERS = Key[MeterDirectory]("meters")
METER_ORDERS = Key[MeterOrders]("orders to meters")
INFLOW = Key[Inflow]("readings from outside")
UNIT = Key[UnitOfWork]("unit of work")
