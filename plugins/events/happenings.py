"""What happens to webhooks."""

from uuid import UUID

from hub import Event


class WebhookDisabled(Event, frozen=True, tag="webhook.disabled"):
    """reason: gone (410), failing (five days without a success)."""

    endpoint_id: UUID
    reason: str


class WebhookExhausted(Event, frozen=True, tag="webhook.exhausted"):
    """Every attempt at a delivery failed."""

    endpoint_id: UUID
    delivery_id: UUID
    event_type: str


EVENTS = (WebhookDisabled, WebhookExhausted)
