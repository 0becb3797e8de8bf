"""What may be commanded. Pure."""

import datetime as dt
from collections.abc import Mapping, Sequence

from hub import CommandState

from .control_models import Interlock

APPROVE_WITHIN = dt.timedelta(minutes=5)
GRACE = dt.timedelta(seconds=30)
TRANSPORT = 10.0  # s that a value may need from its gateway to the centre
FRESH_PERIODS, FRESH_LEAST = 3, 5.0
FINAL = frozenset(
    {
        CommandState.CONFIRMED, CommandState.FAILED, CommandState.TIMEOUT, CommandState.EXPIRED,
        CommandState.REJECTED, CommandState.CANCELLED,
    }
)  # fmt: skip
FAILED = frozenset(
    {CommandState.FAILED, CommandState.TIMEOUT, CommandState.UNKNOWN, CommandState.EXPIRED}
)


def follows(known: CommandState, told: CommandState) -> bool:
    """Whether a gateway's word changes what the centre knows. An unknown end can still be
    learned; a known one stays."""
    if known in FINAL or known is told:
        return False
    return told is not CommandState.SENT or known is CommandState.QUEUED


def fresh_for(scan_rate_ms: int | None, within_s: float | None) -> float:
    """Seconds for which a value counts as fresh at its gateway."""
    if within_s is not None:
        return within_s
    return max(FRESH_PERIODS * (scan_rate_ms or 1_000) / 1_000, FRESH_LEAST)


def not_allowed(
    value: float, allowed: Sequence[float], low: float | None, high: float | None
) -> str | None:
    """Why this value must not be written."""
    if allowed and value not in allowed:
        return f"{value:g} is not allowed: give one of {', '.join(f'{v:g}' for v in allowed)}"
    if low is not None and value < low:
        return f"{value:g} is below {low:g}"
    if high is not None and value > high:
        return f"{value:g} is above {high:g}"
    return None


def broken(
    interlock: Interlock, name: str, found: tuple[float, float] | None, within: float
) -> str | None:
    """Why an interlock does not hold. found: value and age in seconds of a valid reading."""
    if found is None:
        return f"{name} has no valid value"
    value, age = found
    if age > within:
        return f"{name} is {age:.0f} s old"
    tests = {
        "==": value == interlock.value,
        "!=": value != interlock.value,
        "<": value < interlock.value,
        "<=": value <= interlock.value,
        ">": value > interlock.value,
        ">=": value >= interlock.value,
    }
    if tests[interlock.op]:
        return None
    return f"{name} is {value:g}, must be {interlock.op} {interlock.value:g}"


def value_of(
    word: str, states: Mapping[str, str], parameters: Mapping[str, object]
) -> float | None:
    """What a command's word means for a control: a name of one of its states, or its `value`."""
    given = parameters.get("value")
    if isinstance(given, int | float) and not isinstance(given, bool):
        return float(given)
    return next((float(v) for v, name in states.items() if name == word), None)
