"""Which units are silent, and when that looks like the link rather than the units. Pure."""

from dataclasses import dataclass, field

SUDDEN = 3  # units that fall silent together


@dataclass(slots=True)
class Silence:
    """What one connection has heard of its units."""

    _silent: set[int] = field(default_factory=set)
    _heard: set[int] = field(default_factory=set)
    _fell: set[int] = field(default_factory=set)

    def is_silent(self, unit: int) -> bool:
        return unit in self._silent

    def answered(self, unit: int) -> bool:
        """Whether the unit is back after a silence."""
        self._heard.add(unit)
        self._fell.clear()
        if unit not in self._silent:
            return False
        self._silent.remove(unit)
        return True

    def unanswered(self, unit: int) -> None:
        if unit in self._heard and unit not in self._silent:
            self._fell.add(unit)
        self._silent.add(unit)

    @property
    def is_sudden(self) -> bool:
        """Several units that had answered fell silent with no answer in between."""
        return len(self._fell) >= SUDDEN
