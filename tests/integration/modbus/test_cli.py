"""`busbar modbus` as a technician types it, against pymodbus' server."""

import asyncio
import json

import pytest
import typer
from pymodbus.simulator import DataType, SimData, SimDevice
from typer.testing import CliRunner

from drivers.modbus import hub_cli

from .conftest import meter, registers


@pytest.fixture
def busbar():
    """Run a command line in a thread, so that the server can answer it."""
    app = typer.Typer()

    @app.command()
    def other() -> None:
        """A second command, so that `modbus` stays a group of its own."""

    hub_cli(app)

    async def run(*words: str):
        return await asyncio.to_thread(CliRunner().invoke, app, ["modbus", *words])

    return run


async def test_read_prints_values_and_quality(serve, busbar):
    port = await serve(meter(1, registers(0, [0x4366, 0x8000, 7])))
    target = f"127.0.0.1:{port}"
    done = await busbar("read", target, "hr:0=float32", "hr:2", "hr:2.0", "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(r["address"], r["value"], r["quality"]) for r in rows] == [
        ("hr:0", 230.5, "good"),
        ("hr:2", 7.0, "good"),
        ("hr:2.0", 1.0, "good"),
    ]
    assert done.exit_code == 0


async def test_read_counts_on_from_an_address(serve, busbar):
    port = await serve(meter(1))
    done = await busbar("read", f"127.0.0.1:{port}", "hr:10", "--count", "3", "--scale", "0.5")
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["hr:10", "5.0", "good"],
        ["hr:11", "5.5", "good"],
        ["hr:12", "6.0", "good"],
    ]


async def test_an_illegal_address_is_shown_and_fails(serve, busbar):
    port = await serve(meter(1, registers(0, [1])))
    done = await busbar("read", f"127.0.0.1:{port}", "hr:0", "hr:50")
    assert done.exit_code == 1
    assert "hr:50" in done.stdout
    assert "None  invalid" in done.stdout


async def test_write_reads_back(serve, busbar):
    port = await serve(meter(1))
    done = await busbar("write", f"127.0.0.1:{port}", "hr:5=float32", "1.5")
    assert (done.exit_code, done.stdout) == (0, "hr:5: done (reads back 0x3fc00000)\n")


async def test_write_takes_an_engineering_value(serve, busbar):
    port = await serve(meter(1))
    done = await busbar("write", f"127.0.0.1:{port}", "hr:5", "23.1", "--scale", "0.1")
    assert done.stdout == "hr:5: done (reads back 0x00e7)\n"


async def test_write_refuses_what_cannot_be_written(serve, busbar):
    port = await serve(meter(1))
    done = await busbar("write", f"127.0.0.1:{port}", "ir:5", "1")
    assert done.exit_code == 1
    assert "cannot be written" in done.output


async def test_scan_finds_units(serve, busbar):
    units = [meter(unit) for unit in (0, 3)]
    port = await serve(*units)
    done = await busbar("scan", f"127.0.0.1:{port}", "--units", "3", "--json")
    assert json.loads(done.stdout) == {"unit": 3, "answer": "hr:0 is 0x0000"}


async def test_scan_finds_the_registers_of_a_unit(serve, busbar):
    gap = SimData(20, count=5, datatype=DataType.INVALID)
    blocks = [registers(0, [1] * 20), gap, registers(25, [1] * 10)]
    port = await serve(SimDevice(1, simdata=blocks))
    done = await busbar("scan", f"127.0.0.1:{port}", "--registers", "hr:0-60")
    assert done.stdout == "hr:0 to hr:19\nhr:25 to hr:34\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("read", "127.0.0.1:1", "hr:0"), "127.0.0.1:1"),
        (("read", "127.0.0.1:1", "40001"), "is none of hr:40"),
        (("read", "127.0.0.1:1", "hr:0", "--word-order", "mixed"), "neither big nor little"),
        (("read", "/dev/does-not-exist", "hr:0"), "/dev/does-not-exist"),
        (("scan", "127.0.0.1:1", "--units", "1-x"), "no list of numbers"),
    ],
)
async def test_what_cannot_work_is_one_line_on_stderr(busbar, words, says):
    done = await busbar(*words)
    assert done.exit_code == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


async def test_sniff_prints_one_object_a_message(shared, busbar):
    capture = shared / "data/pcaps/modbus/icsnpp/modbus_example.pcap"
    done = await busbar("sniff", str(capture), "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 48
    assert rows[1]["bits"] == [1]
    assert rows[1]["request"] == rows[0]["frame"]
    plain = await busbar("sniff", str(capture))
    assert "read coils response after" in plain.stdout.splitlines()[1]


async def test_sniff_refuses_what_is_no_capture(tmp_path, busbar):
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    done = await busbar("sniff", str(path))
    assert done.exit_code == 1
    assert "neither a pcap nor a pcapng" in done.stderr
