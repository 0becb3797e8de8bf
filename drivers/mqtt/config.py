"""What a configuration file says of MQTT channels and devices."""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta

from hub import Backoff, ChannelConfig, DeviceConfig

Seconds = Annotated[float, Meta(gt=0)]
Qos = Literal[0, 1, 2]
Name = Annotated[str, Meta(pattern=r"^[^+#/\x00]+$")]


class Broker(ChannelConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One broker.

    clean: False keeps the session, so that the broker holds what comes while we are away; for that
    `client_id` must be ours alone. session_expiry: seconds, MQTT 5 only. ca, cert, key: PEM files;
    any of them turns TLS on. will_topic: where the broker says that we are gone.
    backlog: messages held between broker and hub; what comes on top of that is dropped and told.
    """

    host: str
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    protocol: Literal["3.1.1", "5"] = "3.1.1"
    client_id: str = ""
    username: str | None = None
    password: str | None = None
    keepalive: Annotated[int, Meta(ge=5, le=65535)] = 60
    qos: Qos = 1
    clean: bool = False
    session_expiry: Annotated[int, Meta(ge=0, le=0xFFFFFFFF)] = 86_400
    tls: bool = False
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    will_topic: str | None = None
    backlog: Annotated[int, Meta(ge=100)] = 100_000
    backoff: Backoff = Backoff(first=0.5, last=3.0)

    @property
    def secure(self) -> bool:
        return self.tls or bool(self.ca or self.cert)

    @property
    def tcp_port(self) -> int:
        return self.port or (8883 if self.secure else 1883)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.host}:{self.tcp_port})"


class AcrelDevice(DeviceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """id: of the meter or of the infrastructure, as it stands in the topic."""

    id: Name
    station: Name = "main"
    infrastructure: bool = False


class AcrelConfig(Broker, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="mqtt-acrel"):
    """Topics `acrel/{station}/meter/{id}/…`. send_command_id: put `command_id` and `expires_at`
    into commands; switch it off for a platform that refuses fields which it does not know.
    gateway_topics: listen to Acrel's own gateways too.
    """

    devices: tuple[AcrelDevice, ...] = ()
    send_command_id: bool = True
    gateway_topics: bool = False


class SparkplugDevice(DeviceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """device: empty for the metrics of the edge node itself."""

    node: Name
    device: Name | None = None


class SparkplugConfig(
    Broker, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="mqtt-sparkplug"
):
    """Sparkplug B host application. host_id: makes us the primary host of that name."""

    group: Name
    host_id: Name | None = None
    devices: tuple[SparkplugDevice, ...] = ()
    clean: bool = True


class MqttDevice(DeviceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device with payloads of its own making.

    topics: word → topic; `{id}` stands for the device's id, `+` and `#` are wildcards. A point's
    address is `word:$.path`, without a word `data` is meant. commands: word → topic and payload,
    where `{value}` is what is written. time: path of the time inside the payload. array: path of a
    list whose items are read one by one. offline: payload of the will topic (word `will`).
    """

    id: str = ""
    topics: Mapping[str, str]
    commands: Mapping[str, tuple[str, str]] = {}
    time: str | None = None
    array: str | None = None
    offline: str = "offline"


class GenericConfig(Broker, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="mqtt"):
    devices: tuple[MqttDevice, ...] = ()


MqttConfig = AcrelConfig | SparkplugConfig | GenericConfig
