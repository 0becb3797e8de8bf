"""Typed names of what a process offers: a plugin finds a service without knowing who runs it."""

from .context import UnitOfWork
from .journal import Journal
from .key import Key
from .orders import Orders
from .telemetry import News, PointDirectory, ReadingStore

__all__ = ["DIRECTORY", "JOURNAL", "NEWS", "ORDERS", "STORE", "UNIT", "Key"]

JOURNAL = Key[Journal]("journal")
STORE = Key[ReadingStore]("readings")
NEWS = Key[News]("news")
ORDERS = Key[Orders]("orders to gateways")
DIRECTORY = Key[PointDirectory]("points")
UNIT = Key[UnitOfWork]("unit of work")
