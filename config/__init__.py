"""Settings: TOML files and environment in, frozen structs out."""

from config.faults import Fault, Faults, explain
from config.origin import Origin
from config.settings import Settings, load

__all__ = ["Fault", "Faults", "Origin", "Settings", "explain", "load"]
