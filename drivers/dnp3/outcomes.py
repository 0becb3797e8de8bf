"""From the status octet of a control to the outcome that an operator sees."""

from hub import Outcome, Result

from .codec.commands import CommandStatus

_OUTCOMES = {
    CommandStatus.SUCCESS: Outcome.DONE,
    CommandStatus.TIMEOUT: Outcome.TIMEOUT,
    CommandStatus.NO_SELECT: Outcome.NO_SELECT,
    CommandStatus.NOT_SUPPORTED: Outcome.NOT_SUPPORTED,
    CommandStatus.LOCAL: Outcome.LOCAL,
    CommandStatus.DOWNSTREAM_LOCAL: Outcome.LOCAL,
    CommandStatus.AUTOMATION_INHIBIT: Outcome.INTERLOCKED,
    CommandStatus.BLOCKED: Outcome.INTERLOCKED,
    CommandStatus.BLOCKED_OTHER_MASTER: Outcome.INTERLOCKED,
    CommandStatus.NON_PARTICIPATING: Outcome.NOT_SUPPORTED,
}


def result(status: CommandStatus) -> Result:
    """SUCCESS means that the device took it; the point's own status shows that it has moved."""
    return Result(outcome=_OUTCOMES.get(status, Outcome.REJECTED), detail=status.name)
