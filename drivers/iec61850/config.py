"""What a gateway's file says of an IED, and what an association needs of it."""

import ssl
from typing import Annotated

from msgspec import Meta, Struct

from hub import ChannelConfig, ConfigError, DeviceConfig

from .association import Options
from .mms.pdu import Initiate
from .upper import Endpoint

Hex = Annotated[str, Meta(pattern=r"^([0-9A-Fa-f]{2})*$")]
Dotted = Annotated[str, Meta(pattern=r"^([0-2](\.[0-9]+)+)?$")]


class Selectors(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """OSI address of one side, selectors in hexadecimal as SCL writes them."""

    ap_title: Dotted = ""
    ae_qualifier: int = 0
    psel: Hex = "00000001"
    ssel: Hex = "0001"
    tsel: Hex = "0001"

    def endpoint(self) -> Endpoint:
        return Endpoint(
            ap_title=self.ap_title,
            ae_qualifier=self.ae_qualifier,
            presentation=bytes.fromhex(self.psel),
            session=bytes.fromhex(self.ssel),
            transport=bytes.fromhex(self.tsel),
        )


class Tls(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """IEC 62351-3. Files in PEM. ca: who may sign the device's certificate.

    server_name: checked against the certificate; empty checks only its chain.
    """

    ca: str
    certificate: str = ""
    key: str = ""
    server_name: str = ""

    def context(self) -> ssl.SSLContext:
        """Raises ConfigError that names the file which cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = bool(self.server_name)
        try:
            context.load_verify_locations(self.ca)
            if self.certificate:
                context.load_cert_chain(self.certificate, self.key or None)
        except (OSError, ssl.SSLError) as error:
            files = ", ".join(filter(None, (self.ca, self.certificate, self.key)))
            raise ConfigError(f"TLS files {files}: {error}") from None
        return context


class ReportConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A report control block to use. rcb: `LD/LN.name` as in SCL, or the MMS name.

    dataset: another data set for it, `LD/LN.name`. integrity_ms: 0 sends none by itself.
    """

    rcb: str
    dataset: str = ""
    integrity_ms: Annotated[int, Meta(ge=0)] = 0
    gi: bool = True


class Iec61850Device(DeviceConfig, frozen=True):
    """ied: name that precedes the logical devices of the addresses in MMS."""

    ied: str = ""


class Iec61850(ChannelConfig, frozen=True, tag="iec61850"):
    """One association with one IED.

    auto_reports: use the device's free control blocks for points that it reports; with
    dynamic_data_sets, data sets are made for points in none. scl: the file that the device should
    agree with; differences are told. reserve_s: how long the device keeps our blocks when we are
    away (edition 2). keep_alive: seconds of silence after which a device whose points are all in
    reports is asked whether it lives.
    """

    host: str
    port: Annotated[int, Meta(ge=1, le=65535)] = 102
    local: Selectors = Selectors()
    remote: Selectors = Selectors()
    password: str | None = None
    tls: Tls | None = None
    pdu_size: Annotated[int, Meta(ge=512, le=65000)] = 65000
    outstanding: Annotated[int, Meta(ge=1, le=64)] = 5
    reports: tuple[ReportConfig, ...] = ()
    auto_reports: bool = True
    dynamic_data_sets: bool = True
    reserve_s: Annotated[int, Meta(ge=0, le=32767)] = 60
    keep_alive: Annotated[float, Meta(gt=0)] = 5.0
    scl: str = ""
    scl_ied: str = ""
    termination_timeout: Annotated[float, Meta(gt=0)] = 10.0
    origin_category: Annotated[int, Meta(ge=1, le=8)] = 3
    devices: tuple[Iec61850Device, ...] = ()

    def options(self) -> Options:
        return Options(
            local=self.local.endpoint(),
            remote=self.remote.endpoint(),
            password=self.password,
            propose=Initiate(
                detail=self.pdu_size, calling=self.outstanding, called=self.outstanding
            ),
            connect_timeout=self.connect_timeout,
            request_timeout=self.request_timeout,
        )
