"""What the application behind an outstation decides; every method has a careful default."""

from collections.abc import Sequence

from drivers.dnp3.codec.attributes import Attribute
from drivers.dnp3.codec.commands import CommandStatus, Control
from drivers.dnp3.codec.objects import PointType

from .files import FileStore


class Handler:
    """Override what the device can do. Called from the protocol loop: must not block."""

    files: FileStore | None = None

    def select(self, index: int, control: Control) -> CommandStatus:
        """May this be operated? Also asked before a direct operate."""
        return CommandStatus.NOT_SUPPORTED

    def operate(self, index: int, control: Control) -> CommandStatus:
        """Start it. SUCCESS means accepted, not completed (clause 4.4.4)."""
        return CommandStatus.NOT_SUPPORTED

    def cold_restart(self) -> int | None:
        """Milliseconds until the device is back, or None when it cannot."""
        return None

    def warm_restart(self) -> int | None:
        """Milliseconds until the device is back, or None when it cannot."""
        return None

    def set_time(self, milliseconds: int) -> bool:
        """Take the master's time (ms since 1970 UTC); False when the clock is not its to set."""
        return True

    def time_is_synchronised(self) -> bool | None:
        """Whether event times can be trusted; None: when a master has set the time."""
        return None

    def frozen(self, point: PointType, indexes: Sequence[int], *, cleared: bool) -> None:
        """Counters or analog inputs were frozen (and the counters cleared)."""

    def assigned(self, point: PointType, indexes: Sequence[int], klass: int) -> None:
        """A master moved points to another event class (0: none)."""

    def deadband(self, index: int, value: float) -> bool:
        """A master writes an analog deadband; False refuses it."""
        return True

    def attributes(self) -> Sequence[Attribute]:
        """What the device says of itself (group 0)."""
        return ()

    def local_control(self) -> bool:
        """IIN1.5: some outputs are under local control."""
        return False

    def trouble(self) -> bool:
        """IIN1.6: something in the device does not work."""
        return False
