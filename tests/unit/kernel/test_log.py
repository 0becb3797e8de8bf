"""Logs are structured, and secrets never reach them."""

import io
import json
import logging

import pytest
import structlog

from hub.kernel import log


@pytest.fixture(autouse=True)
def _restored():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("key", "value", "seen"),
    [
        ("password", "hunter2", "***"),
        ("api_key", "k", "***"),
        ("Authorization", "Basic dGVjaDpwdw==", "***"),
        ("JWT_SECRET_KEY", "x", "***"),
        ("pin", 1234, "***"),
        ("token_count", True, True),
        ("spin", 3, 3),
        ("note", "postgresql://busbar:pw@db/x", "postgresql://busbar:***@db/x"),
        ("note", "sent Bearer abc.def-123456", "sent Bearer ***"),
        ("note", "password=hunter2 user=x", "password=*** user=x"),
        ("note", "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", "***"),
        ("body", {"user": "u", "secret": "s"}, {"user": "u", "secret": "***"}),
        ("list", [{"token": "t"}], [{"token": "***"}]),
    ],
)
def test_secrets_are_masked(key, value, seen):
    assert log.redact(value, key) == seen


def test_a_record_is_one_json_line_with_its_action_and_without_secrets():
    out = io.StringIO()
    log.setup("info", "json", out)
    logging.getLogger("x.y").warning("dsn %s", "pg://u:pw@h", extra={"action": "a.b", "token": "t"})
    structlog.get_logger("z").info("hello", action="c.d", point="m.v")
    first, second = map(json.loads, out.getvalue().splitlines())
    assert first["event"] == "dsn pg://u:***@h"
    assert (first["action"], first["level"], first["logger"]) == ("a.b", "warning", "x.y")
    assert first["token"] == "***"
    assert (second["event"], second["action"], second["point"]) == ("hello", "c.d", "m.v")


def test_tracebacks_are_masked_in_both_forms():
    for form in ("json", "console"):
        out = io.StringIO()
        log.setup("info", form, out)
        try:
            int("password=hunter2")
        except ValueError:
            logging.getLogger("x").exception("failed")
        assert "hunter2" not in out.getvalue()
        assert "ValueError" in out.getvalue()


def test_less_than_the_level_is_not_shown():
    out = io.StringIO()
    log.setup("error", "json", out)
    logging.getLogger("x").warning("quiet")
    assert out.getvalue() == ""
