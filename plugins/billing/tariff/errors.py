"""Why a use cannot be priced."""

from hub import Invalid


class TariffError(Invalid):
    """The tariff does not fit the use."""


class Unpriced(TariffError):
    """The tariff says nothing about this use."""


class SumMismatch(TariffError):
    """The parts of a use are not its total."""
