"""All settings, and the one place that reads files and environment for them.

Order: what stands here, `config/default.toml`, the given files, the environment. Every key can be
set by `BUSBAR_<SECTION>__<KEY>`; lists and tables are given as JSON there.
"""

import tomllib
from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from config.environment import overrides
from config.faults import Fault, Faults, explain
from config.lines import Lines
from config.origin import Origin, Source

DEFAULT = Path(__file__).with_name("default.toml")
Port = Annotated[int, Meta(ge=0, le=65535)]
Seconds = Annotated[float, Meta(gt=0)]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the file."""


class Site(Section, frozen=True):
    """env: production refuses debug and weak secrets."""

    name: str = "Busbar"
    env: Literal["development", "test", "staging", "production"] = "development"
    debug: bool = False
    runtime_root: str = "runtime"


class Gateway(Section, frozen=True):
    """profiles: folders with firmware profiles, looked into before those that ship."""

    name: str = "gateway"
    data_dir: str = "data"
    profiles: tuple[str, ...] = ()


class Central(Section, frozen=True):
    """The centre as a gateway reaches it. An empty url means that this gateway stands alone.

    timeout: seconds that an answer may take; what takes longer is a link that has died.
    """

    url: str = ""
    key: str = ""
    ca_file: str = ""
    timeout: Seconds = 15.0


class Buffer(Section, frozen=True):
    """max_bytes: hard limit of the file. history_days: what the centre has stays this long.
    commit_ms: longest time between a reading and the disk."""

    max_bytes: Annotated[int, Meta(ge=1 << 20)] = 4 << 30
    history_days: Annotated[float, Meta(ge=0)] = 30.0
    commit_ms: Annotated[int, Meta(ge=1, le=10_000)] = 200


class Api(Section, frozen=True):
    """technician: argon2id hash (`busbar hash-password`) that lets a person change a gateway.

    trusted_proxies: addresses or networks. access_log: write logs/access.log below runtime_root.
    """

    host: str = "127.0.0.1"
    port: Port = 8000
    technician: str = ""
    cors_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ("127.0.0.1",)
    rate_limit_profile: Literal["default", "strict", "bench"] = "default"
    access_log: bool = False


class Log(Section, frozen=True):
    """format: auto is console on a terminal and JSON elsewhere."""

    level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class Database(Section, frozen=True):
    """dsn: PostgreSQL at the centre. timeout: seconds to wait for a connection."""

    dsn: str = ""
    max_connections: Annotated[int, Meta(ge=1)] = 20
    timeout: Seconds = 30.0


class Auth(Section, frozen=True):
    jwt_secret_key: str = ""
    jwt_secret_key_previous: str = ""
    access_minutes: Annotated[int, Meta(ge=1)] = 15
    refresh_days: Annotated[int, Meta(ge=1)] = 7
    session_timeout: Annotated[int, Meta(ge=60)] = 86_400
    max_login_attempts: Annotated[int, Meta(ge=1)] = 5
    lockout_minutes: Annotated[int, Meta(ge=1)] = 15
    encryption_key: str = ""


class Http(Section, frozen=True):
    """Requests to servers outside. allow: networks beyond the Internet, by plain HTTP too."""

    allow: tuple[str, ...] = ()


class Plugins(Section, frozen=True):
    """modules: further packages with `hub_plugin`, by import name."""

    blocked: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()


class Settings(Section, frozen=True):
    """plugin: table of each plugin, read by its own struct. channels: as written; the kernel
    decodes them with the configuration types of the drivers that are there."""

    site: Site = Site()
    gateway: Gateway = Gateway()
    central: Central = Central()
    buffer: Buffer = Buffer()
    api: Api = Api()
    log: Log = Log()
    database: Database = Database()
    auth: Auth = Auth()
    http: Http = Http()
    plugins: Plugins = Plugins()
    plugin: dict[str, dict[str, Any]] = {}
    channels: tuple[dict[str, Any], ...] = ()
    origin: Origin = Origin()


def load(
    path: Path | Sequence[Path] | None = None, env: Mapping[str, str] | None = None
) -> Settings:
    """Read everything, or raise Faults with all that is wrong and where.

    Of several files the later wins; channels of all of them run together.
    """
    data: dict[str, Any] = {}
    files: list[Source] = []
    channels: list[Any] = []
    for name in (DEFAULT, *([path] if isinstance(path, Path) else path or ())):
        _merge(data, _read(name, files, len(channels)))
        if isinstance(own := data.get("channels"), list):
            channels += own
            del data["channels"]
    data.setdefault("channels", channels)
    values, variables, faults = overrides(Settings, env or {})
    _merge(data, values)
    origin = Origin(tuple(files), variables)
    if "origin" in data:
        faults.append(Fault(("origin",), "unknown key 'origin'"))
        del data["origin"]
    faults += explain(Settings, data)
    if not faults:
        settings = msgspec.convert(data, Settings)
        faults = _together(settings)
    if faults:
        raise Faults(origin.tell(faults))
    return msgspec.structs.replace(settings, origin=origin)


def _read(path: Path, files: list[Source], before: int) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as e:
        raise Faults([f"{path}: {e.strerror}: give the path of a readable file"]) from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise Faults([f"{path}: not TOML: {e}"]) from e
    files.append(Source(str(path), Lines(text), before))
    return data


def _merge(base: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _together(settings: Settings) -> list[Fault]:
    """What no single key shows."""
    faults = []
    key = settings.auth.jwt_secret_key
    if settings.site.env == "production":
        if settings.site.debug:
            faults.append(Fault(("site", "debug"), "refused in production: remove it"))
        if key and len(key) < 32:
            faults.append(
                Fault(("auth", "jwt_secret_key"), "too short: at least 32 characters in production")
            )
    if settings.site.env == "production" and settings.api.rate_limit_profile == "bench":
        faults.append(Fault(("api", "rate_limit_profile"), "bench is for load tests: remove it"))
    faults += [
        Fault(("api", "trusted_proxies"), f"{proxy!r} is neither an address nor a network")
        for proxy in settings.api.trusted_proxies
        if not _is_network(proxy)
    ]
    for number, network in enumerate(settings.http.allow):
        try:
            ip_network(network)
        except ValueError as error:
            faults.append(Fault(("http", "allow", number), f"{error}: give a network as a.b.c.d/n"))
    if settings.central.url and not settings.central.url.startswith(("http://", "https://")):
        faults.append(Fault(("central", "url"), "must begin with https:// or http://"))
    if settings.api.technician and not settings.api.technician.startswith("$argon2id$"):
        faults.append(
            Fault(("api", "technician"), "not an argon2id hash: make one by `busbar hash-password`")
        )
    return faults
