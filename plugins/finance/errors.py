"""What the books refuse, beside the errors of the hub."""

from hub import BadRequest, Conflict, Invalid


class Unbalanced(BadRequest):
    """Debits and credits of an entry differ."""

    code = "unbalanced"


class PeriodClosed(Conflict):
    """The period of this date takes no entries."""

    code = "period_closed"


class AccountUnusable(Invalid):
    """Nothing can be posted to this account."""

    status, code = 400, "account_unusable"


class KeyReused(Conflict):
    """This idempotency key belongs to another entry."""

    code = "idempotency_conflict"
