"""What issuing and reading tokens can raise, over the hub's tree."""

from hub import ConfigError, Invalid

from .standard import Result


class TokenRefused(Invalid):
    """A meter would refuse this token; `result` is the standard's name for why."""

    code = "sts_refused"

    def __init__(self, result: Result, detail: str = "") -> None:
        super().__init__(f"{result}: {detail}" if detail else str(result))
        self.result = result


class NotIssued(Invalid):
    """The request breaks a rule of the standard; no token was made."""

    code = "sts_not_issued"


class KeyNotDerivable(NotIssued):
    """No rule is known by which the meter's decoder key follows from a vending key."""


class NoIdentifier(NotIssued):
    """The meter has no token identifier left that may be used now."""


class TablesMissing(ConfigError):
    """EA07 needs the substitution and permutation tables: name a table file."""

    code = "sts_tables"


class LiveSupplyGroup(ConfigError):
    """The software module holds test keys only: use a security module or a vending server."""

    code = "sts_live_supply_group"
