"""Typed names of what a process offers: a plugin finds a service without knowing who runs it."""

from .alarms import OutsideAlarms
from .context import UnitOfWork
from .events import Replayer
from .flags import FLAGS
from .http import HTTP
from .jobs import JOBS
from .journal import Journal
from .key import Key
from .ledger import Ledger
from .live import LIVE
from .meters import Inflow, MeterDirectory, MeterOrders
from .notices import NOTIFIER
from .options import OPTIONS
from .orders import Orders
from .signals import Signals
from .site import Site
from .telemetry import News, PointDirectory, ReadingStore
from .tokens import TokenIssuer
from .vault import Vault

__all__ = [
    "DIRECTORY",
    "DSN",
    "FLAGS",
    "HTTP",
    "INFLOW",
    "JOBS",
    "JOURNAL",
    "LEDGER",
    "LIVE",
    "METERS",
    "METER_ORDERS",
    "NEWS",
    "NOTIFIER",
    "OPTIONS",
    "ORDERS",
    "OUTSIDE_ALARMS",
    "REPLAYER",
    "SIGNALS",
    "SITE",
    "STORE",
    "TOKENS",
    "UNIT",
    "VAULT",
    "Key",
]

JOURNAL = Key[Journal]("journal")
LEDGER = Key[Ledger]("ledger")
STORE = Key[ReadingStore]("readings")
NEWS = Key[News]("news")
ORDERS = Key[Orders]("orders to gateways")
DIRECTORY = Key[PointDirectory]("points")
METERS = Key[MeterDirectory]("meters")
METER_ORDERS = Key[MeterOrders]("orders to meters")
TOKENS = Key[TokenIssuer]("prepayment tokens")
INFLOW = Key[Inflow]("readings from outside")
OUTSIDE_ALARMS = Key[OutsideAlarms]("alarms from outside")
UNIT = Key[UnitOfWork]("unit of work")
SIGNALS = Key[Signals]("signals")
SITE = Key[Site]("points of this gateway")
VAULT = Key[Vault]("vault")
REPLAYER = Key[Replayer]("replayer of events")
DSN = Key[str]("address of the database, as the application's role")
