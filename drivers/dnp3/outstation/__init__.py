"""The outstation: a database of points, its events, and the answers to a master's requests."""

from .core import Outstation
from .database import FROZEN, Database, Defaults
from .exposure import Exposed, Exposure, ExposureHandler, Orders
from .files import FileStore, FolderStore
from .handler import Handler
from .server import OutstationServer
from .settings import OutstationSettings

__all__ = [
    "FROZEN",
    "Database",
    "Defaults",
    "Exposed",
    "Exposure",
    "ExposureHandler",
    "FileStore",
    "FolderStore",
    "Handler",
    "Orders",
    "Outstation",
    "OutstationServer",
    "OutstationSettings",
]
