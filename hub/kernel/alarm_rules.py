"""When a value is an alarm. Pure: no clock, no state.

A rule is one side of one limit. While its condition stays as it is the value moves inside a band;
the bands of all rules of a point intersect in one, so a reading inside it needs no further look.
"""

import math
from dataclasses import dataclass

from hub.contract.alarms import AlarmKind, Severity
from hub.contract.points import Kind, PointSpec

Band = tuple[float, float]
EVERYWHERE: Band = (-math.inf, math.inf)
NOWHERE: Band = (math.inf, -math.inf)
SHARE = 0.01  # of the range between the limits, or of the only limit: the least hysteresis
STATES = {Kind.BINARY: 1, Kind.DOUBLE: 3}


@dataclass(frozen=True, slots=True)
class Rule:
    """kind of alarm, and the limit that it watches.

    back: where the value has to return to. on_delay, off_delay: seconds.
    """

    kind: AlarmKind
    severity: Severity
    limit: float
    back: float
    on_delay: float = 0.0
    off_delay: float = 0.0
    highest: int = 0  # of a state

    def holds(self, value: float, on: bool) -> bool:
        """Whether the condition is there, given whether it was."""
        if self.kind in {AlarmKind.HIGH, AlarmKind.HIGH_HIGH, AlarmKind.RATE}:
            return value > self.back if on else value > self.limit
        if self.kind in {AlarmKind.LOW, AlarmKind.LOW_LOW}:
            return value < self.back if on else value < self.limit
        return value != self.limit

    def band(self, on: bool) -> Band:
        """Values, both ends included, at which `holds` goes on to say what it says."""
        if self.kind in {AlarmKind.HIGH, AlarmKind.HIGH_HIGH}:
            return (
                (math.nextafter(self.back, math.inf), math.inf) if on else (-math.inf, self.limit)
            )
        if self.kind in {AlarmKind.LOW, AlarmKind.LOW_LOW}:
            return (
                (-math.inf, math.nextafter(self.back, -math.inf)) if on else (self.limit, math.inf)
            )
        if self.kind is AlarmKind.RATE:
            return EVERYWHERE
        if not on:
            return self.limit, self.limit
        if self.limit == 0:
            return 0.5, math.inf
        return (-math.inf, self.limit - 0.5) if self.limit == self.highest else NOWHERE


def rules_of(spec: PointSpec) -> tuple[Rule, ...]:
    """The rules of a point, gravest first."""
    delays = (spec.alarm_delay, spec.clear_delay)
    found: list[Rule] = []
    if spec.kind in {Kind.ANALOG, Kind.COUNTER}:
        for kind, severity, limit, way in (
            (AlarmKind.HIGH_HIGH, Severity.CRITICAL, spec.high_limit, -1),
            (AlarmKind.LOW_LOW, Severity.CRITICAL, spec.low_limit, 1),
            (AlarmKind.HIGH, Severity.WARNING, spec.alarm_high, -1),
            (AlarmKind.LOW, Severity.WARNING, spec.alarm_low, 1),
        ):
            if limit is not None:
                back = limit + way * hysteresis(spec, limit)
                found.append(Rule(kind, severity, limit, back, *delays))
        if spec.rate_limit is not None:
            rate = spec.rate_limit
            found.append(Rule(AlarmKind.RATE, Severity.WARNING, rate, rate, *delays))
    elif spec.kind in STATES and spec.normal_state is not None:
        state, highest = float(spec.normal_state), STATES[spec.kind]
        found.append(Rule(AlarmKind.STATE, Severity.ERROR, state, state, *delays, highest))
    return tuple(found)


def hysteresis(spec: PointSpec, limit: float) -> float:
    """How far a value must return: its deadband, or 1 % of the range between the alarm limits."""
    if spec.alarm_high is not None and spec.alarm_low is not None:
        return max(spec.deadband, SHARE * abs(spec.alarm_high - spec.alarm_low))
    return max(spec.deadband, SHARE * abs(limit))


def meet(bands: list[Band]) -> Band:
    """What all bands have in common."""
    return max(low for low, _ in bands), min(high for _, high in bands)


def message(spec: PointSpec, name: str, rule: Rule, value: float) -> str:
    """What a person reads."""
    unit = f" {spec.unit}" if spec.unit else ""
    if rule.kind is AlarmKind.STATE:
        word = spec.states.get(f"{value:g}", f"{value:g}")
        normal = spec.states.get(f"{rule.limit:g}", f"{rule.limit:g}")
        return f"{name} is {word}, normally {normal}"
    if rule.kind is AlarmKind.RATE:
        return f"{name} changes by {value:.4g}{unit}/s, more than {rule.limit:.6g}"
    side = "above" if rule.kind in {AlarmKind.HIGH, AlarmKind.HIGH_HIGH} else "below"
    return f"{name} is {value:.6g}{unit}, {side} {rule.limit:.6g}{unit}"
