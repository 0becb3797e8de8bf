"""`busbar iec61850` against the simulated IED and real files."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from drivers.iec61850 import hub_plugin
from drivers.iec61850.cli import iec61850
from hub.kernel.channels import decode
from hub.kernel.profiles import Profiles
from simulators.iec61850 import FEEDER_BAY

README = Path(__file__).parents[3] / "drivers/iec61850/README.md"
SERVE = """
import asyncio
from simulators.iec61850 import FEEDER_BAY, SimulatedIed, run
asyncio.run(run(SimulatedIed(FEEDER_BAY), "127.0.0.1", 0, lambda line: print(line, flush=True)))
"""


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    command = [sys.executable, "-c", SERVE]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=README.parents[2], env=dict(os.environ)
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
        process.kill()


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(iec61850, arguments)
    assert done.exit_code == code, done.output
    return done.output


def test_browse_shows_a_level_and_all_points(target: str) -> None:
    assert run("browse", target).split() == ["BAY1CTRL", "BAY1MEAS", "BAY1PROT"]
    rows = [json.loads(line) for line in run("browse", target, "--points", "--json").splitlines()]
    named = {row["spec"]["measurement"] for row in rows if row["spec"].get("measurement")}
    assert {"voltage.l1", "power.active.total", "switch.position", "frequency"} <= named
    assert "no logical device" in run("browse", target, "NIX", code=1)


def test_read_shows_values_and_errors(target: str) -> None:
    output = run(
        "read", target, "BAY1MEAS/MMXU1.Hz[MX]", "CTRL/LPHD1.PhyNam.model[DC]", "--ied", "BAY1"
    )
    assert "BAY1MEAS/MMXU1.Hz[MX] = {{" in output
    assert "FeederBay" in output
    assert "not of the form" in run("read", target, "nonsense", code=1)


def test_operate_moves_the_breaker(target: str) -> None:
    breaker = "BAY1CTRL/CSWI1.Pos.stVal[ST]"
    assert run("operate", target, breaker, "off", "--yes") == "done: terminated\n"
    assert json.loads(run("read", target, breaker, "--json"))["value"] == {"value": 1, "size": 2}
    assert "not_supported" in run(
        "operate", target, "BAY1CTRL/GGIO1.SPCSO5.stVal[ST]", "on", "--yes", code=2
    )


def test_operate_at_a_time_is_left_to_the_device(target: str) -> None:
    output = "BAY1CTRL/GGIO1.SPCSO6.stVal[ST]"
    later = ("--yes", "--at", "2099-01-31T06:00:00Z")
    told = run("operate", target, output, "on", *later)
    assert told == "accepted: the device executes it at 2099-01-31T06:00:00.000000Z\n"
    never = ("--yes", "--at", "2999-01-31T06:00:00Z")
    assert "rejected: not sent" in run("operate", target, output, "on", *never, code=2)
    plain = "BAY1CTRL/GGIO1.SPCSO1.stVal[ST]"
    assert "no time-activated control" in run("operate", target, plain, "on", *later, code=2)
    assert "say the zone" in run(
        "operate", target, output, "on", "--yes", "--at", "2999-01-31T06:00:00", code=2
    )


def test_report_shows_what_a_block_sends(target: str) -> None:
    output = run("report", target, "BAY1CTRL/LLN0.brcbPosition01", "--count", "1")
    assert output.startswith("position #0")
    assert "BAY1CTRL/XCBR1$ST$Pos = " in output
    assert "there are: BAY1CTRL" in run("report", target, "nix", code=1)


def test_nobody_there_is_one_line(target: str) -> None:
    assert "cannot connect to 127.0.0.1:1" in run("read", "127.0.0.1:1", "A/B.C[ST]", code=1)


def test_scl_shows_a_file_or_its_faults(tmp_path: Path) -> None:
    assert "edition 2.1, 1 IEDs" in run("scl", str(FEEDER_BAY))
    assert json.loads(run("scl", str(FEEDER_BAY), "--json"))["counts"]["LN0"] == 3
    broken = tmp_path / "broken.scd"
    broken.write_text('<SCL xmlns="http://www.iec.ch/61850/2003/SCL">\n<IED/></SCL>')
    assert "line 2: IED without its attribute 'name'" in run("scl", str(broken), code=1)


def test_sniff_shows_a_capture(shared: Path, tmp_path: Path) -> None:
    capture = shared / "data/pcaps/iec61850/iti/Sample_File_MMS_and_GOOSE.pcap"
    rows = [json.loads(line) for line in run("sniff", str(capture), "--json").splitlines()]
    assert {row["protocol"] for row in rows} == {"mms", "goose"}
    assert "GOOSE AA1C1Q05A1LD0/LLN0$GO$gcb_A" in run("sniff", str(capture))
    other = tmp_path / "text.pcap"
    other.write_text("no capture")
    assert "neither a pcap nor a pcapng" in run("sniff", str(other), code=1)


def test_the_configurations_of_the_readme_are_read() -> None:
    blocks = README.read_text().split("```toml\n")[1:]
    channels = [block.split("```")[0] for block in blocks if block.startswith("[[channels]]")]
    assert len(channels) == 2
    for text in channels:
        plain = text.replace('password = "…"', 'password = "x"')
        (plan,) = decode(tomllib.loads(plain)["channels"], {"iec61850": hub_plugin()}, Profiles())
        assert plan.points


def test_the_readme_names_every_command() -> None:
    text = README.read_text()
    for command in iec61850.registered_commands:
        assert command.callback is not None
        assert f"busbar iec61850 {command.callback.__name__} " in text
