"""What both kinds of file give."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hub import Invalid
from plugins.billing.tariff.history import Series


class FileError(Invalid):
    """The meter file cannot be read."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Channel:
    """One channel of a meter. register: `import`, `export`, `kvarh`; empty: not one that is priced.

    qualities: day → the file's own flag, where it is not an actual value.
    """

    meter: str
    name: str
    register: str
    series: Series
    qualities: dict[str, str] = field(default_factory=dict)


def whole(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole thousandths whose running sum is never more than half a one off (R5)."""
    sums = np.rint(np.cumsum(values)).astype(np.int64)
    return np.diff(sums, prepend=0)
