"""What happens to alerts."""

from uuid import UUID

from hub import Event


class SystemAlert(Event, frozen=True, tag="system.alert"):
    """An alert was made. code: of its rule."""

    alert_id: UUID
    code: str
    severity: str
    title: str
    description: str


class SystemAlertResolved(Event, frozen=True, tag="system.alert_resolved"):
    """by: who resolved it; `system` when its condition was over."""

    alert_id: UUID
    code: str
    by: str


EVENTS = (SystemAlert, SystemAlertResolved)
