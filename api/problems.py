"""Errors as RFC 9457 problems that also carry the fields of our own error form."""

import datetime as dt
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from hub import HubError, Invalid

_PATH = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")
_UNKNOWN = re.compile(r"unknown field `([^`]+)`")
_MISSING = re.compile(r"missing required field `([^`]+)`")


def problem(
    status: int,
    code: str,
    detail: str,
    request_id: str,
    *,
    details: Any = None,
    extra: Mapping[str, Any] | None = None,
) -> web.Response:
    """type, title, status, detail (RFC 9457) beside success, error, error_code, details."""
    body = {
        **(extra or {}),
        "type": f"/problems/{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "success": False,
        "error": detail,
        "error_code": code.upper(),
        "details": details if details is not None else dict(extra or {}),
        "request_id": request_id,
        "timestamp": dt.datetime.now(dt.UTC),
    }
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type="application/problem+json"
    )


def from_error(error: HubError, request_id: str) -> web.Response:
    extra = dict(error.extra)
    retry: Any = extra.pop("retry_after", None)
    details: Any = extra.pop("errors", None)
    if details is None and isinstance(error, Invalid) and "field" in extra:
        details = [{"field": extra["field"], "code": error.code, "message": str(error)}]
    answer = problem(error.status, error.code, str(error), request_id, details=details, extra=extra)
    if retry is not None:
        answer.headers["Retry-After"] = str(max(1, int(retry)))
    if error.status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def invalid(error: msgspec.ValidationError, kind: type[Invalid] = Invalid) -> Invalid:
    """What msgspec refused, with the name of the field."""
    text = str(error)
    found = _PATH.search(text)
    place = found.group(1) if found else ""
    message = _PATH.sub("", text)
    for pattern in (_UNKNOWN, _MISSING):
        if named := pattern.search(message):
            place = ".".join(filter(None, (place, named.group(1))))
    return kind(f"{place}: {message}" if place else message, field=place)
