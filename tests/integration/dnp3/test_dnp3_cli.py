"""`busbar dnp3` and `busbar simulate dnp3`, as a field engineer uses them."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from drivers.dnp3.cli import dnp3


def run(*arguments: str) -> tuple[int, list[str], str]:
    result = CliRunner().invoke(dnp3, list(arguments))
    return result.exit_code, result.stdout.splitlines(), result.stderr


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    """`host:port` of a simulated RTU in a process of its own."""
    code = "import typer, simulators.cli as c\napp = typer.Typer()\nc.add_commands(app)\napp()\n"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "simulate", "dnp3", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    match = re.match(r"(127\.0\.0\.1:\d+)  outstation 10", line)
    assert match, line
    yield match[1]
    process.send_signal(signal.SIGINT)
    process.stdout.close()
    assert process.wait(10) == 0


def test_scan_lists_the_points_of_the_simulator(simulator: str) -> None:
    code, lines, _ = run("scan", simulator, "--json")
    assert code == 0
    rows = [json.loads(line) for line in lines]
    assert rows[0]["attributes"]["manufacturer"] == "Busbar"
    addresses = {row["address"] for row in rows[1:]}
    assert {"ai:0", "ai:9", "dbi:0", "bi:3", "ctr:2", "fctr:2", "bo:0", "ao:0"} <= addresses


def test_operate_opens_the_breaker_and_read_shows_it(simulator: str) -> None:
    code, lines, errors = run("operate", simulator, "bo:0", "trip", "--trace", "application")
    assert (code, lines) == (0, ["bo:0 trip: SUCCESS"])
    assert "SELECT" in errors
    assert "OPERATE" in errors
    for _ in range(50):
        code, lines, _ = run("read", simulator, "dbi:0", "--json")
        position = json.loads(lines[0])["value"]
        if position == 1:
            break
    assert position == 1
    assert run("operate", simulator, "bo:0", "close", "--direct")[0] == 0


def test_read_takes_classes_and_ranges(simulator: str) -> None:
    code, lines, _ = run("read", simulator, "ai:0-2", "integrity", "--json")
    assert code == 0
    assert [json.loads(line)["address"] for line in lines].count("ai:1") >= 2


def test_a_refusal_a_wrong_word_and_a_dead_host_end_with_a_line_and_code_1(simulator: str) -> None:
    code, lines, _ = run("operate", simulator, "bo:99", "on")
    assert (code, lines) == (1, ["bo:99 on: NOT_SUPPORTED"])
    code, _, errors = run("operate", simulator, "bo:0", "up")
    assert code == 1
    assert "'up'" in errors
    code, _, errors = run("read", simulator, "xx:1")
    assert code == 1
    assert "'xx:1'" in errors
    code, _, errors = run("read", simulator, "ai:500")
    assert code == 1
    assert "PARAMETER_ERROR" in errors
    code, _, errors = run("scan", "127.0.0.1:1")
    assert code == 1
    assert "127.0.0.1:1" in errors


def test_the_clock_is_written(simulator: str) -> None:
    assert run("clock", simulator)[0] == 0
    assert run("clock", simulator, "--lan")[0] == 0


def test_counters_and_analogs_are_frozen_now_and_at_a_time(simulator: str) -> None:
    def frozen(address: str) -> str | None:
        return str(json.loads(run("read", simulator, address, "--json")[1][0])["time"])

    assert run("freeze", simulator, "ctr:0-1", "--clear")[:2] == (0, ["ctr:0-1: accepted"])
    first = frozen("fctr:0")
    assert first != frozen("fctr:2")
    assert run("freeze", simulator, "ai")[0] == 0
    assert run("read", simulator, "fai:3")[0] == 0
    assert run("freeze", simulator, "ctr", "--every", "0.1")[0] == 0
    for _ in range(50):
        if frozen("fctr:0") != first:
            break
    assert frozen("fctr:0") != first
    assert run("freeze", simulator, "ctr", "--cancel")[1] == ["ctr: no more freezing"]
    assert run("freeze", simulator, "ctr", "--at", "2001-01-01T00:00:00")[0] == 1
    assert "neither counters" in run("freeze", simulator, "bi")[2]
    assert "can clear" in run("freeze", simulator, "ctr", "--clear", "--every", "1")[2]


def test_sniff_prints_one_object_a_fragment(shared: Path) -> None:
    capture = shared / "data/pcaps/dnp3/zeek/dnp3_select_operate.pcap"
    code, lines, _ = run("sniff", str(capture), "--json")
    assert code == 0
    first = json.loads(lines[0])
    assert (first["function"], first["source"], first["destination"]) == (3, 3, 2)
    assert first["frame"] == 4
    item = first["objects"][0]
    assert (item["group"], item["variation"], item["index"], item["value"]) == (12, 1, 1, 3)
    assert {"iin", "flags", "time"} <= set(first) | set(item)
    code, lines, _ = run("sniff", str(capture))
    assert "SELECT" in lines[0]


def test_sniff_of_something_else_is_code_1(tmp_path: Path) -> None:
    file = tmp_path / "no.pcap"
    file.write_bytes(b"hello")
    code, _, errors = run("sniff", str(file))
    assert code == 1
    assert "neither a pcap nor a pcapng capture" in errors


async def test_the_simulator_moves_and_counts() -> None:
    from drivers.dnp3.codec.objects import PointType
    from hub.kernel.profiles import Profiles
    from simulators.dnp3 import Rtu

    rtu = Rtu(Profiles().find("generic/dnp3_rtu"))
    before = rtu.database.tables[PointType.CTR].value.copy()
    rtu.step(60)
    assert (rtu.database.tables[PointType.CTR].value > before).all()
    volts = rtu.database.tables[PointType.AI].value[0]
    assert 19_000 < volts < 21_000
    moving = asyncio.create_task(rtu.run(0.01))
    await asyncio.sleep(0.05)
    moving.cancel()
