"""The master: a channel, its outstations, and the procedures with them."""

from .association import Association, Refused, Response
from .channel import MasterChannel, Priority
from .files import FileError
from .measurements import Measurements, Origin, Report, Strings

__all__ = [
    "Association",
    "FileError",
    "MasterChannel",
    "Measurements",
    "Origin",
    "Priority",
    "Refused",
    "Report",
    "Response",
    "Strings",
]
