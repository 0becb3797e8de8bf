"""What happens to notifications."""

from uuid import UUID

from hub import Event


class NotificationCreated(Event, frozen=True, tag="notification.created"):
    notification_id: UUID
    user_id: UUID
    type_code: str
    title: str
    message: str
    action_url: str | None
    action_label: str | None


class NotificationDelivered(Event, frozen=True, tag="notification.delivered"):
    delivery_id: UUID
    channel: str
    provider: str


class NotificationFailed(Event, frozen=True, tag="notification.failed"):
    """No attempt is left, or everybody refused the message."""

    delivery_id: UUID
    channel: str
    attempts: int


EVENTS = (NotificationCreated, NotificationDelivered, NotificationFailed)
