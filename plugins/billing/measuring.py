"""From the readings of a period to what was used: the sum of what was measured (R27, R28)."""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec import Struct

from hub import uuid7
from hub.contract.units import half_up

from .asking import Place
from .estimation import LONGEST, Asked, estimate, in_a_row
from .models_bills import Measure


class Stuck(Exception):
    """Why a bill cannot be made by itself. held: a person may decide so; else it has failed."""

    def __init__(self, code: str, why: str, *, held: bool = False) -> None:
        super().__init__(why)
        self.code, self.why, self.held = code, why, held


class Made(Struct, kw_only=True):
    """measures of a bill. used: readings that must stay as they are; made_up: new estimates."""

    measures: list[Measure]
    used: list[UUID]
    made_up: list[dict[str, Any]]

    @property
    def estimated(self) -> bool:
        return any(m.condition == "estimated" for m in self.measures)

    def quantities(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for m in self.measures:
            found[m.register] = found.get(m.register, 0) + m.quantity
        return found


def lacks_end(row: Any) -> bool:
    """Whether a register has no reading that could end this bill."""
    if row.installation_id is None or row.register is None:
        return False
    begun = row.opened_at or row.first_at
    return row.end_at is None or (begun is not None and row.end_at <= begun)


def measure(rows: Sequence[Any], asked: Mapping[Place, Asked], guess: bool) -> Made:
    """The measures of one agreement; rows: one for each register of each installation.

    asked: what is known where the end is missing. guess: estimate it. Raises Stuck.
    """
    made = Made(measures=[], used=[], made_up=[])
    for row in rows:
        if row.installation_id is None or row.register is None:
            raise Stuck("no_meter", "no meter with a register is installed in this period")
        if row.payment_mode == "prepaid":
            raise Stuck("prepaid", f"meter {row.meter} is paid for in advance")
        opened = row.opened if row.opened is not None else row.first_total
        opened_at = row.opened_at or row.first_at
        if opened is None or opened_at is None:
            told = f"meter {row.meter}: no reading of {row.register} to begin from"
            raise Stuck("no_first_reading", told)
        if row.opened is None:
            made.used.append(row.first_id)
        last_at, last, condition = _end(row, asked, guess, made)
        quantity = _quantity(row, opened, last)
        made.measures.append(
            Measure(
                installation=row.installation_id,
                meter=row.meter,
                register=row.register,
                first_at=opened_at,
                first=opened,
                last_at=last_at,
                last=last,
                multiplier=f"{row.multiplier.normalize():f}",
                quantity=quantity,
                condition=condition,
            )
        )
    return made


def _quantity(row: Any, opened: int, last: int) -> int:
    """Thousandths behind the multiplier; a fall below an estimate is not clamped to 0 (R30)."""
    if last < opened:
        told = (
            f"meter {row.meter} shows {(opened - last) / 1000:g} less than the last bill took for "
            "it: cancel the estimated bill, then calculate again"
        )
        raise Stuck("below_estimate", told, held=True)
    return half_up((last - opened) * Decimal(row.multiplier))


def _end(
    row: Any, asked: Mapping[Place, Asked], guess: bool, made: Made
) -> tuple[dt.datetime, int, str]:
    """Instant, total and condition of the closing reading, estimated where none was taken."""
    if not lacks_end(row):
        made.used.append(row.end_id)
        return row.end_at, row.end_total, row.end_condition
    removed = row.until is not None and row.until <= row.ends_at
    if removed or not guess:
        told = f"meter {row.meter}: {row.register} was not read by {row.ends}"
        raise Stuck("no_reading", told)
    known = asked[row.installation_id, row.register]
    if in_a_row(known.past) >= LONGEST:
        told = f"meter {row.meter}: {LONGEST} estimates in a row, it has to be read"
        raise Stuck("must_read", told)
    found = estimate(known)
    if found is None:
        told = f"meter {row.meter}: nothing to estimate {row.register} from"
        raise Stuck("no_reading", told)
    opened = row.opened if row.opened is not None else row.first_total
    total = max(found.total, opened)
    ident = uuid7()
    made.made_up.append(
        {
            "id": ident,
            "installation_id": row.installation_id,
            "register": row.register,
            "at": row.ends_at,
            "value": total % row.capacity if row.capacity else total,
            "total": total,
            "rule": found.rule,
        }
    )
    made.used.append(ident)
    return row.ends_at, total, "estimated"
