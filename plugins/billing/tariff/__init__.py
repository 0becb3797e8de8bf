"""What a use of electricity costs: pure, exact, and able to say why."""

from .calendar import Calendar, DayType, Season, Window
from .charges import (
    AmountStep,
    Block,
    Blocks,
    Case,
    Charge,
    Demand,
    FactorStep,
    Fixed,
    Flat,
    Levy,
    Minimum,
    NetMetering,
    PowerFactor,
    Rounding,
    Since,
    Slab,
    Subsidy,
    Tax,
    TimeOfUse,
)
from .engine import affordable, rate
from .errors import SumMismatch, TariffError, Unpriced
from .usage import Bill, Credit, Line, Usage
from .version import Version

__all__ = [
    "AmountStep",
    "Bill",
    "Block",
    "Blocks",
    "Calendar",
    "Case",
    "Charge",
    "Credit",
    "DayType",
    "Demand",
    "FactorStep",
    "Fixed",
    "Flat",
    "Levy",
    "Line",
    "Minimum",
    "NetMetering",
    "PowerFactor",
    "Rounding",
    "Season",
    "Since",
    "Slab",
    "Subsidy",
    "SumMismatch",
    "TariffError",
    "Tax",
    "TimeOfUse",
    "Unpriced",
    "Usage",
    "Version",
    "Window",
    "affordable",
    "rate",
]
