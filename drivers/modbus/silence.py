"""Which units are silent, and when asking one again is worth the line's time. Pure."""

from dataclasses import dataclass, field

FIRST_PROBE = 1.0
LAST_PROBE = 4.0
SHARE = 3.0  # a silent unit may cost a quarter of the line's time: then three times as long nothing
SUDDEN = 3  # so many units that fall silent together are the link, not the units


@dataclass(slots=True)
class Silent:
    since: float
    probe_at: float
    wait: float = FIRST_PROBE


@dataclass(slots=True)
class Silence:
    """Times are seconds of one monotonic clock. units: all units of the channel."""

    units: frozenset[int]
    silent: dict[int, Silent] = field(default_factory=dict)
    _heard: set[int] = field(default_factory=set)
    _fell: set[int] = field(default_factory=set)
    _free_at: float = 0.0

    def may_ask(self, unit: int, now: float) -> bool:
        state = self.silent.get(unit)
        return state is None or now >= max(state.probe_at, self._free_at)

    def is_silent(self, unit: int) -> bool:
        return unit in self.silent

    def answered(self, unit: int) -> bool:
        """Whether the unit is back after a silence. The other silent ones may be asked at once."""
        self._heard.add(unit)
        self._fell.clear()
        if self.silent.pop(unit, None) is None:
            return False
        self._free_at = 0.0
        for state in self.silent.values():
            state.probe_at, state.wait = 0.0, FIRST_PROBE
        return True

    def unanswered(self, unit: int, now: float, cost: float) -> None:
        """The unit was given `cost` seconds and said nothing."""
        state = self.silent.get(unit)
        if state is None:
            self.silent[unit] = Silent(now, now + FIRST_PROBE)
            if unit in self._heard:
                self._fell.add(unit)
            return
        state.wait = min(2 * state.wait, LAST_PROBE)
        state.probe_at = now + state.wait
        self._free_at = now + SHARE * cost

    @property
    def link_is_dead(self) -> bool:
        """Nobody answers, or several units fell silent with no answer in between."""
        return self.units <= self.silent.keys() or len(self._fell) >= SUDDEN
