"""What a configuration file says of publishers: which points go to which broker, and how."""

import string
from typing import Annotated

from msgspec import Meta, Struct

from .config import Broker, Name, Seconds

_FIELDS = frozenset({"gateway", "device", "point"})
_LAST = ("device", "point")
Globs = tuple[Annotated[str, Meta(min_length=1)], ...]


class _Publisher(
    Broker, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="payload"
):
    """points, writable: patterns of `device.point` (`bay-1.*`): what is published, and what of it
    may be commanded. hold: seconds that changes are gathered before they are sent.
    command_expires: seconds after which a command is not executed any more.
    """

    points: Globs = ("*",)
    writable: Globs = ()
    hold: Annotated[float, Meta(ge=0)] = 0.2
    command_expires: Seconds = 10.0
    clean: bool = True

    def __post_init__(self) -> None:
        if not self.clean:
            raise ValueError("a publisher keeps no session: orders would come late")


class JsonPublisher(_Publisher, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="json"):
    """topic: of values; with `{point}` one message a point, without it one a device. command: where
    orders come. status: `online` and `offline`, by the broker itself when we vanish.
    """

    topic: str = "busbar/{gateway}/{device}/{point}"
    command: str = "busbar/{gateway}/{device}/{point}/set"
    status: str = "busbar/{gateway}/status"
    retain: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, text, needed in (
            ("topic", self.topic, ("device",)),
            ("command", self.command, _LAST),
            ("status", self.status, ()),
        ):
            _check(name, text, needed)


class SparkplugPublisher(
    _Publisher, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="sparkplug"
):
    """An edge node whose devices are ours. node: the gateway's name when left out."""

    group: Name
    node: Name | None = None


Publisher = JsonPublisher | SparkplugPublisher


class MqttSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """publishers: brokers that points of this gateway are told to."""

    publishers: tuple[Publisher, ...] = ()


def _check(name: str, text: str, needed: tuple[str, ...]) -> None:
    try:
        found = {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}
    except ValueError as e:
        raise ValueError(f"{name} {text!r}: {e}") from None
    if strange := sorted(found - _FIELDS):
        raise ValueError(f"{name} {text!r}: {{{strange[0]}}} is none of {sorted(_FIELDS)}")
    if missing := [field for field in needed if field not in found]:
        raise ValueError(f"{name} {text!r} needs {{{missing[0]}}}: topics would be the same")
    if not text or any(c in text for c in "+#\0"):
        raise ValueError(f"{name} {text!r} is no topic to publish to")
