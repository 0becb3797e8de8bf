"""The `busbar` command as a person meets it."""

import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from argon2 import PasswordHasher

POINTS = {p.name for p in importlib.metadata.entry_points(group="busbar.plugins")}
SYNC = "" if "sync" in POINTS else "tests.memory_sync"


def busbar(*args: str, **options):
    return subprocess.run(
        [sys.executable, "-m", "hub.cli", *args],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def test_help_names_the_commands_and_loads_nothing_heavy():
    code = (
        "import sys, hub.cli; hub.cli.make_app();"
        "heavy = {'aiohttp', 'aiosqlite', 'psycopg', 'pymodbus', 'aiomqtt'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
    out = busbar("--help").stdout
    for command in ("gateway", "central", "check", "watch", "explain", "version", "hash-password"):
        assert command in out


def test_the_version_is_printed():
    assert busbar("version").stdout.startswith("busbar ")


def test_a_wrong_configuration_ends_with_2_and_every_fault(tmp_path):
    path = tmp_path / "g.toml"
    path.write_text("[api]\nport = 'x'\nhots = ''\n[[channels]]\ndriver = 'none'\n")
    done = busbar("check", "-c", str(path))
    assert done.returncode == 2
    assert f"{path}:2: api.port" in done.stderr
    assert f"{path}:3: api.hots" in done.stderr
    assert "Traceback" not in done.stderr
    path.write_text("[[channels]]\ndriver = 'none'\nname = 'x'\n")
    done = busbar("check", "-c", str(path), env={**os.environ, "BUSBAR_PLUGINS__MODULES": SYNC})
    assert (done.returncode, f"{path}:2: channels[0].driver: no driver" in done.stderr) == (2, True)


def test_a_password_becomes_a_hash_that_verifies():
    done = busbar("hash-password", input="open sesame\n")
    assert PasswordHasher().verify(done.stdout.strip(), "open sesame")
    assert busbar("hash-password", input="short\n").returncode == 2


@pytest.fixture
def answers():
    """A server that gives the documents of a gateway."""
    value = {"key": "m.v", "unit": "V", "value": 220.5, "age": 0.2, "quality": 0, "stale": False}
    documents = {
        "/api/v1/local/points": {"points": [value, {"key": "m.w", "unit": "", "stale": True}]},
        "/api/v1/local/explain/m.v": {
            "spec": {"name": "v", "address": "hr:40", "type": "uint16", "scale": 0.1},
            "now": {**value, "id": 3, "time": 1_800_000_000_123_000, "quality": 38},
            "raw": 2205.0,
            "every": 1.0,
            "achieved": 1.01,
            "channel": "line",
            "state": "online",
            "wire": [
                {
                    "at": 1_800_000_000_000_000,
                    "sent": True,
                    "hex": "00 01",
                    "note": "read",
                    "lines": ["link 1 → 10", "application READ"],
                }
            ],
            "buffer": {"committed": 17, "acknowledged": 12},
            "place": {"stream": "telemetry", "seq": 12, "row": 3, "acknowledged": True},
        },
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            found = documents.get(self.path)
            body = json.dumps(found or {"detail": "no point is called 'x'"}).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_watch_and_explain_show_what_the_gateway_tells(answers):
    shown = busbar("watch", "--once", "--url", answers).stdout
    assert "m.v" in shown
    assert "220.5" in shown
    assert "no reading yet" in shown
    story = busbar("explain", "m.v", "--url", answers).stdout
    for word in (
        "→ 00 01 read",
        "link 1 → 10",
        "application READ",
        "hr:40",
        "× 0.1",
        "220.5",
        "invalid comm_lost overrange",
        "2027-01-15",
    ):
        assert word in story
    missing = busbar("explain", "x", "--url", answers)
    assert (missing.returncode, "no point is called" in missing.stderr) == (1, True)
    gone = busbar("watch", "--once", "--url", "http://127.0.0.1:1")
    assert (gone.returncode, "is the gateway running?" in gone.stderr) == (1, True)


def test_a_gateway_tells_when_it_is_ready_and_ends_on_sigterm_in_time(tmp_path):
    read, write = os.pipe()
    env = {
        **os.environ,
        "BUSBAR_NOTIFY_FD": str(write),
        "BUSBAR_API__PORT": "0",
        "BUSBAR_GATEWAY__DATA_DIR": str(tmp_path),
        "BUSBAR_PLUGINS__MODULES": f"tests.toy,{SYNC}",
        "BUSBAR_LOG__FORMAT": "json",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "hub.cli", "gateway"],
        env=env,
        pass_fds=(write,),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.close(write)
        with os.fdopen(read) as notes:
            note = json.loads(notes.readline())
        assert note["state"] == "ready"
        assert note["address"].startswith("http://127.0.0.1:")
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
        assert time.monotonic() - began < 10
        assert process.returncode == 0, errors
        assert "Traceback" not in errors
