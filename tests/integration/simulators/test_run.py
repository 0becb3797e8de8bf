"""The simulator as a process: it writes a configuration, ends on a signal and goes on later."""

import asyncio
import os
import signal
import sys
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from simulators.field import config

PROGRAM = """
import typer
from simulators import hub_cli
app = typer.Typer()
hub_cli(app)
app()
"""


async def run_once(file: Path, *more: str) -> tuple[int, list[dict[str, Any]], str]:
    """Start, wait until ready, end by SIGTERM: exit code, what it told, what it printed."""
    read, write = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, "simulate", "modbus", "--write-config", str(file), *more,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, pass_fds=(write,),
        env={**os.environ, "BUSBAR_NOTIFY_FD": str(write)},
    )  # fmt: skip
    os.close(write)
    with os.fdopen(read, "rb") as notes:
        line = await asyncio.to_thread(notes.readline)
        if line:
            process.send_signal(signal.SIGTERM)
        output, _ = await process.communicate()
    told = [msgspec.json.decode(line)] if line else []
    return process.returncode or 0, told, output.decode()


def channels(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(file.read_text())["channels"]
    return found


async def test_it_says_when_it_is_ready_and_resumes_ports_and_registers(tmp_path: Path) -> None:
    file = tmp_path / "field.toml"
    code, (note,), output = await run_once(file, "--speed", "60")
    assert code == 0
    assert note == {"state": "ready", "devices": 50}
    first = channels(file)
    assert [channel["name"] for channel in first][:2] == ["SS1", "SS1-F1"]
    assert f"127.0.0.1:{first[0]['port']}" in output
    kept = msgspec.json.decode((tmp_path / "field.state").read_bytes())
    code, _, _ = await run_once(file)
    assert code == 0
    assert channels(file) == first
    later = msgspec.json.decode((tmp_path / "field.state").read_bytes())
    for name, registers in kept["registers"].items():
        assert all(
            after >= before
            for was, now in zip(registers, later["registers"][name], strict=True)
            for before, after in zip(was, now, strict=True)
        ), name


async def test_a_state_that_cannot_be_read_is_said_and_left_behind(tmp_path: Path) -> None:
    (tmp_path / "field.state").write_text("{broken")
    code, told, output = await run_once(tmp_path / "field.toml")
    assert (code, len(told)) == (0, 1)
    assert "field.state: not usable" in output


async def test_a_wrong_option_ends_with_a_message(tmp_path: Path) -> None:
    series = tmp_path / "missing.csv"
    code, told, output = await run_once(tmp_path / "field.toml", "--series", str(series))
    assert (code, told) == (1, [])
    assert "missing.csv: cannot be read" in output


def test_the_configuration_is_toml_whatever_the_names() -> None:
    channel = {
        "name": 'a "quoted" name',
        "driver": "modbus-tcp",
        "host": "127.0.0.1",
        "port": 1502,
        "devices": [{"name": "m\\1", "profile": "eastron/sdm120", "unit": 1, "every": 0.5}],
    }
    assert tomllib.loads(config([channel])) == {"channels": [channel]}
