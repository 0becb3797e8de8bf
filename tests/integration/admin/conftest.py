"""The centre's fixtures."""

from api.testing import client, sign_in
from hub.testing.pytest_plugin import (
    busbar_modules,
    busbar_settings,
    busbar_template,
    central,
    clock,
    migrated,
)

__all__ = [
    "busbar_modules",
    "busbar_settings",
    "busbar_template",
    "central",
    "client",
    "clock",
    "migrated",
    "sign_in",
]
