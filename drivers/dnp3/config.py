"""What a configuration file says of DNP3 channels and outstations."""

import enum
from typing import Annotated

from msgspec import Meta, Struct

from hub import ChannelConfig, DeviceConfig

Seconds = Annotated[float, Meta(gt=0)]
LinkAddress = Annotated[int, Meta(ge=0, le=0xFFEF)]
Port = Annotated[int, Meta(ge=1, le=65535)]


class Controls(enum.StrEnum):
    """How the device is operated on the wire; the operator's two steps are the hub's."""

    SBO = "sbo"
    DIRECT = "direct"


class TimeSync(enum.StrEnum):
    """When the outstation asks for the time."""

    DELAY = "delay"  # with delay measurement: serial lines, radio
    LAN = "lan"  # record current time: IP networks
    NEVER = "never"


class Dnp3Device(DeviceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One outstation.

    every: period of range reads of points that name none; changes come as events in between.
    class_1…class_3: period of event polls (None: rely on unsolicited responses). integrity: period
    of integrity polls. unsolicited: classes that the outstation may report by itself. gap: points
    that are read along to save a header.
    """

    address: LinkAddress = 10
    every: Seconds = 60.0
    integrity: Seconds = 3600.0
    class_1: Seconds | None = 5.0
    class_2: Seconds | None = 30.0
    class_3: Seconds | None = 60.0
    unsolicited: tuple[Annotated[int, Meta(ge=1, le=3)], ...] = (1, 2, 3)
    time_sync: TimeSync = TimeSync.DELAY
    controls: Controls = Controls.SBO
    select_timeout: Seconds = 10.0
    response_timeout: Seconds | None = None
    gap: Annotated[int, Meta(ge=0)] = 8


class Tls(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Mutual TLS 1.2 or newer (IEC 62351-3). Paths of PEM files; name: expected of the peer."""

    ca: str
    certificate: str = ""
    key: str = ""
    name: str = ""


class _Dnp3(ChannelConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """master: our own link address. keep_alive: silence after which the link is asked for."""

    master: LinkAddress = 1
    devices: tuple[Dnp3Device, ...] = ()
    keep_alive: Seconds | None = 60.0


class Dnp3Tcp(_Dnp3, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="dnp3-tcp"):
    """We connect to the outstation (or to a terminal server with several behind it)."""

    host: str
    port: Port = 20000
    tls: Tls | None = None


class Dnp3Listen(_Dnp3, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="dnp3-listen"):
    """The outstations connect to us. connect_timeout: how long we wait for the first each time."""

    host: str = "0.0.0.0"  # noqa: S104 - a firewall says who may call
    port: Port = 20000
    tls: Tls | None = None
    connect_timeout: Seconds = 60.0


class Dnp3Udp(_Dnp3, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="dnp3-udp"):
    """local_port: 0 lets the system choose."""

    host: str
    port: Port = 20000
    local_host: str = "0.0.0.0"  # noqa: S104 - only `host` is heard
    local_port: Annotated[int, Meta(ge=0, le=65535)] = 0


class Dnp3Serial(_Dnp3, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="dnp3-serial"):
    """Eight data bits. confirmed: confirmed link data, for lines that lose octets."""

    port: str
    baud: Annotated[int, Meta(ge=50)] = 9600
    parity: Annotated[str, Meta(pattern="^[NEO]$")] = "N"
    stop_bits: Annotated[int, Meta(ge=1, le=2)] = 1
    confirmed: bool = False


Dnp3Config = Dnp3Tcp | Dnp3Listen | Dnp3Udp | Dnp3Serial


class ShownPoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """point: `device.point` of this gateway. address: what the centre sees it as, `ai:0`.

    event_class: 1…3, 0 for none. deadband: in engineering units.
    """

    point: str
    address: str
    event_class: Annotated[int, Meta(ge=0, le=3)] = 1
    deadband: Annotated[float, Meta(ge=0)] = 0.0


class Slave(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One outstation. master: the only link address that may talk to it.

    command_expires: seconds after which a command of the centre is not executed any more.
    """

    points: tuple[ShownPoint, ...]
    host: str = "127.0.0.1"
    port: Port = 20000
    tls: Tls | None = None
    address: LinkAddress = 10
    master: LinkAddress = 1
    unsolicited: bool = True
    command_expires: Seconds = 10.0


class Dnp3Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """outstations: which points of this gateway control centres see, and where they connect."""

    outstations: tuple[Slave, ...] = ()
