"""Settings from environment variables."""

import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import msgspec

from config import faults as f

PREFIX = "BUSBAR_"
NAMED: dict[str, f.Path] = {
    "ENV": ("site", "env"),
    "NODE_ENV": ("site", "env"),
    "DEBUG": ("site", "debug"),
    "APP_NAME": ("site", "name"),
    "RUNTIME_ROOT": ("site", "runtime_root"),
    "API_HOST": ("api", "host"),
    "PORT": ("api", "port"),
    "API_PORT": ("api", "port"),
    "CORS_ORIGINS": ("api", "cors_origins"),
    "TRUSTED_PROXIES": ("api", "trusted_proxies"),
    "RATE_LIMIT_PROFILE": ("api", "rate_limit_profile"),
    "LOG_LEVEL": ("log", "level"),
    "DATABASE_URL": ("database", "dsn"),
    "DB_MAX_CONNECTIONS": ("database", "max_connections"),
    "DB_CONNECTION_TIMEOUT": ("database", "timeout"),
    "SECRET_KEY": ("auth", "jwt_secret_key"),
    "JWT_SECRET": ("auth", "jwt_secret_key"),
    "JWT_SECRET_KEY": ("auth", "jwt_secret_key"),
    "JWT_SECRET_KEY_PREVIOUS": ("auth", "jwt_secret_key_previous"),
    "ACCESS_TOKEN_EXPIRE_MINUTES": ("auth", "access_minutes"),
    "REFRESH_TOKEN_EXPIRE_DAYS": ("auth", "refresh_days"),
    "SESSION_TIMEOUT": ("auth", "session_timeout"),
    "MAX_LOGIN_ATTEMPTS": ("auth", "max_login_attempts"),
    "LOCKOUT_MINUTES": ("auth", "lockout_minutes"),
    "FERNET_KEY": ("auth", "encryption_key"),
    "ENCRYPTION_KEY": ("auth", "encryption_key"),
}
Found = tuple[dict[str, Any], dict[f.Path, str], list[f.Fault]]


def overrides(root: type[msgspec.Struct], env: Mapping[str, str]) -> Found:
    """Values as a tree, path → variable, and faults.

    A name of `NAMED` may end in `_FILE`: the variable then holds the path of the value. Our own
    `BUSBAR_…__…` wins over a named one, and of two named ones the later in the table.
    """
    tree: dict[str, Any] = {}
    origin: dict[f.Path, str] = {}
    faults: list[f.Fault] = []
    for name, path in [*NAMED.items(), *_own(env)]:
        variable = name if name in env else f"{name}_FILE"
        if variable not in env or (name in NAMED and not env[variable]):
            continue
        origin[path] = variable
        try:
            text = env[name] if name in env else Path(env[variable]).read_text().strip()
            _put(tree, path, _value(_kind(root, path), text))
        except OSError as e:
            faults.append(f.Fault(path, f"cannot read {env[variable]}: {e.strerror}"))
        except (msgspec.ValidationError, msgspec.DecodeError) as e:
            faults.append(f.Fault(path, str(e)))
    return tree, origin, faults


def _own(env: Mapping[str, str]) -> list[tuple[str, f.Path]]:
    return [
        (name, tuple(name.removeprefix(PREFIX).lower().split("__")))
        for name in sorted(env)
        if name.startswith(PREFIX) and "__" in name
    ]


def _kind(root: Any, path: f.Path) -> Any:
    """The type at `path`; Any where the path leads to nothing known (a fault told later)."""
    for step in path:
        if isinstance(root, type) and issubclass(root, msgspec.Struct):
            fields = {x.encode_name: x.type for x in msgspec.structs.fields(root)}
            root = fields.get(str(step), Any)
        else:
            return Any
    return root


def _value(kind: Any, text: str) -> Any:
    if get_origin(kind) in {Union, types.UnionType}:
        kind = next(k for k in get_args(kind) if k is not type(None))
    if get_origin(kind) is tuple and get_args(kind)[0] is str and not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    if get_origin(kind) in {tuple, dict}:
        msgspec.json.decode(text, type=kind)
        return msgspec.json.decode(text)
    if kind is Any:
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError:
        return msgspec.convert(text.lower(), kind, strict=False)


def _put(tree: dict[str, Any], path: f.Path, value: Any) -> None:
    *parents, last = path
    for step in parents:
        tree = tree.setdefault(str(step), {})
    tree[str(last)] = value
