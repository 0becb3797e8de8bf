"""`q` and `t` of IEC 61850-7-3 as the hub's quality word and time."""

from functools import cache

from hub import Flag, Stamp, Validity

from .mms.data import Bits, UtcTime

_VALIDITY = (Validity.GOOD, Validity.INVALID, Validity.INVALID, Validity.QUESTIONABLE)
# Detail bits 2…9, source 10, test 11, operatorBlocked 12. `failure` has no flag of its own: the
# device then calls the value invalid or questionable. A wrong reference or an inconsistent value
# is one whose accuracy cannot be relied on.
_FLAGS = {
    2: Flag.OVERRANGE,
    3: Flag.OVERRANGE,
    4: Flag.INACCURATE,
    5: Flag.OSCILLATING,
    7: Flag.OLD,
    8: Flag.INACCURATE,
    9: Flag.INACCURATE,
    10: Flag.SUBSTITUTED,
    11: Flag.TEST,
    12: Flag.BLOCKED,
}
SIMULATED = int(Flag.TEST)


@cache
def word(q: Bits) -> int:
    """Validity and flags of a quality; validity 2 is reserved and not believed."""
    validity = _VALIDITY[q[0] << 1 | q[1]]
    failed = q[6] and validity == Validity.GOOD
    out = int(Validity.QUESTIONABLE if failed else validity)
    for bit, flag in _FLAGS.items():
        if q[bit]:
            out |= int(flag)
    return out


def stamp(t: UtcTime | None) -> Stamp:
    """Whose clock made `t`; a device that never had the time sends zero."""
    if t is None or t.us == 0:
        return Stamp.GATEWAY
    return Stamp.UNSYNCED if t.not_synchronized or t.clock_failure else Stamp.DEVICE
