"""A virtual prepayment meter: takes tokens, counts its credit down, opens its relay at zero."""

import enum
from dataclasses import dataclass, field
from datetime import datetime

from drivers.sts.identity import Meter
from drivers.sts.keys import Secret, derive
from drivers.sts.meter import Entry, StsMeter
from drivers.sts.sta import Tables
from drivers.sts.standard import Result, Service, Subclass

RECLOSE_AFTER = 30.0  # s after an overload, as common split meters do
JOULES_PER_WH = 3600.0


class OpenReason(enum.IntEnum):
    """Why the relay is open; NONE while it is closed."""

    NONE = 0
    NO_CREDIT = 1
    TAMPER = 2
    OVERLOAD = 3
    REMOTE = 4


def virtual_meter(
    identity: Meter, vending_key: Secret, tables: Tables | None = None, first_tid: int = 0
) -> StsMeter:
    """The token side of a meter as its maker delivers it: its own key, no vending key."""
    return StsMeter(identity, derive(vending_key, identity, tables), first_tid=first_tid)


@dataclass
class PrepaidMeter:
    """demand: W that the customer would use. energy: Wh since manufacture.

    The relay is closed while there is credit, no tamper, no overload and no remote order to open.
    """

    sts: StsMeter
    demand: float = 0.0
    voltage: float = 230.0
    energy: float = 0.0
    remote_open: bool = False
    last_result: Result | None = None
    _overload: float = field(default=0.0, repr=False)
    _part: float = field(default=0.0, repr=False)

    @property
    def reason(self) -> OpenReason:
        if self.remote_open:
            return OpenReason.REMOTE
        if self.sts.tampered:
            return OpenReason.TAMPER
        if self.balance <= 0:
            return OpenReason.NO_CREDIT
        return OpenReason.OVERLOAD if self._overload > 0 else OpenReason.NONE

    @property
    def closed(self) -> bool:
        return self.reason is OpenReason.NONE

    @property
    def balance(self) -> float:
        """Wh left."""
        return self.sts.credit[Service.ELECTRICITY] - self._part

    @property
    def power(self) -> float:
        """W now drawn."""
        return self.demand if self.closed else 0.0

    @property
    def limit(self) -> int | None:
        """W above which the relay opens."""
        return self.sts.settings.get(Subclass.SET_MAXIMUM_POWER_LIMIT)

    def enter(self, digits: str, now: datetime) -> Entry:
        entry = self.sts.enter(digits, now)
        self.last_result = entry.result
        if entry.result is Result.ACCEPT and self.sts.credit[Service.ELECTRICITY] == 0:
            self._part = 0.0
        return entry

    def tamper(self) -> None:
        """Open the terminal cover: only a clear-tamper token closes the relay again."""
        self.sts.tampered = True

    def run(self, seconds: float) -> None:
        """Let time pass; the credit never falls below zero."""
        if self._overload > 0:
            self._overload = max(0.0, self._overload - seconds)
            return
        if not self.closed:
            return
        if self.limit is not None and self.demand > self.limit:
            self._overload = RECLOSE_AFTER
            return
        used = min(self.demand * seconds / JOULES_PER_WH, self.balance)
        self.energy += used
        whole, self._part = divmod(self._part + used, 1.0)
        self.sts.credit[Service.ELECTRICITY] -= int(whole)
