"""What a configuration file says of the platform's HTTP interface."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from hub import Backoff, ChannelConfig, DeviceConfig

Url = Annotated[str, Meta(pattern=r"^https?://[^/\s]+")]
Timeout = Annotated[float, Meta(gt=0, le=300)]


class HttpAccess(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """url: base. secret: the token, or the key of the signature, as `auth` says.

    ca: PEM file of the platform's own authority. timeout: seconds of one request.
    """

    url: Url
    secret: Annotated[str, Meta(min_length=8)]
    auth: Literal["token", "hmac"] = "hmac"
    ca: str | None = None
    timeout: Timeout = 10.0

    def __repr__(self) -> str:
        return f"HttpAccess({self.url!r})"


class HttpMeter(DeviceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """id: of the meter at the platform. every: seconds between polls."""

    id: Annotated[str, Meta(min_length=1, max_length=120)]
    every: Annotated[float, Meta(gt=0)] = 60.0


class AcrelHttpConfig(
    ChannelConfig, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="acrel-http"
):
    """backfill: hours of history that are fetched at the start; 0 = none."""

    access: HttpAccess
    devices: tuple[HttpMeter, ...] = ()
    backfill: Annotated[float, Meta(ge=0, le=24 * 366)] = 24.0
    request_timeout: Timeout = 10.0
    backoff: Backoff = Backoff(first=1.0, last=60.0)

    def __repr__(self) -> str:
        return f"AcrelHttpConfig({self.name!r}, {self.access.url})"
