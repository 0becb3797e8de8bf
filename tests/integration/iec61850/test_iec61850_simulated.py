"""The simulated IED: read by our driver, and by clients that we did not write."""

import asyncio
import importlib.util
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from drivers.iec61850 import model, scl
from drivers.iec61850.config import ReportConfig
from drivers.iec61850.ied import Ied
from drivers.iec61850.mms.data import Bits
from drivers.iec61850.mms.pdu import ObjectName
from hub import Cause, Flag, Kind, LinkError, Outcome, ProtocolError, Stamp, Validity
from simulators.iec61850 import FEEDER_BAY, SimulatedIed
from simulators.iec61850_process import live
from tests.integration.iec61850.hub_side import command, driver, opened, rows, spec
from tests.integration.iec61850.test_iec61850_session import next_with

BREAKER = spec("CTRL/XCBR1.Pos.stVal[ST]", Kind.DOUBLE, writable=True)
SWITCH = spec("CTRL/CSWI1.Pos.stVal[ST]", Kind.DOUBLE, writable=True)
WATTS = spec("MEAS/MMXU1.TotW.mag.f[MX]")
AT = 1_700_000_000_000_000


@pytest.fixture
async def bay() -> AsyncIterator[tuple[SimulatedIed, int]]:
    ied = SimulatedIed()
    async with ied.serve() as port:
        yield ied, port


async def test_it_serves_the_model_of_its_file(bay: tuple[SimulatedIed, int]) -> None:
    ied = await Ied.open("127.0.0.1", bay[1])
    found = await ied.discover()
    assert model.differences(model.from_scl(scl.read(FEEDER_BAY).ied()), found) == []
    assert (await ied.client.identify()).model == "BAY1"
    unit = await ied.client.read_one(ObjectName("MMXU1$CF$TotW$units", "BAY1MEAS"))
    assert unit == [62, 3]
    await ied.close()


async def test_the_breaker_is_opened_and_its_move_is_reported(
    bay: tuple[SimulatedIed, int],
) -> None:
    bay[0].data.set("CTRL/XCBR1.Pos.stVal", Bits(2, 2), at=AT)
    made, link = driver(bay[1], [BREAKER, SWITCH, WATTS])
    async with opened(made) as session:
        await session.startup()
        _, buffered = await next_with(session, 0)
        assert buffered == (2.0, AT, int(Stamp.DEVICE))
        batch, (value, _, _) = await next_with(session, 0)
        assert (batch.cause, value) == (Cause.STARTUP, 2.0)
        result = await session.operate(command(made, 1, 1))
        assert (result.outcome, result.detail) == (Outcome.DONE, "terminated")
        moved = [await next_with(session, 0) for _ in range(2)]
    assert [found[0] for _, found in moved] == [0.0, 1.0]
    assert all(batch.cause == Cause.EVENT for batch, _ in moved)
    assert not link.warnings


async def test_a_local_or_blocked_switch_says_so(bay: tuple[SimulatedIed, int]) -> None:
    made, _ = driver(bay[1], [SWITCH])
    async with opened(made) as session:
        await session.startup()
        bay[0].data.set("CTRL/XCBR1.Loc.stVal", True)
        local = await session.operate(command(made, 0, 2))
        assert local.outcome == Outcome.LOCAL
        bay[0].data.set("CTRL/XCBR1.Loc.stVal", False)
        bay[0].data.set("CTRL/XCBR1.BlkCls.stVal", True)
        blocked = await session.select(command(made, 0, 2))
        assert blocked.outcome == Outcome.INTERLOCKED
        unchecked = await session.operate(command(made, 0, 2, check_interlock=False))
        assert unchecked.outcome == Outcome.DONE


async def test_bad_quality_and_every_missed_event_arrive_after_a_cut(
    bay: tuple[SimulatedIed, int],
) -> None:
    made, _ = driver(bay[1], [BREAKER])
    async with opened(made) as session:
        await session.startup()
        await next_with(session, 0)
        bay[0].data.set("CTRL/XCBR1.Pos.stVal", Bits(2, 2), at=AT)
        await next_with(session, 0)
    for n in range(1, 21):
        bay[0].data.set("CTRL/XCBR1.Pos.stVal", Bits(1 + n % 2, 2), at=AT + n, q=0x1000 >> 10)
    got = []
    async with opened(made) as session:
        await session.startup()
        async with asyncio.timeout(5):
            async for batch in session.events():
                if batch.cause == Cause.STARTUP:
                    break
                got += rows(batch).values()
    times = [when for _, when, _ in got]
    assert times[-20:] == [AT + n for n in range(1, 21)]
    assert all(quality & int(Flag.SUBSTITUTED) for _, _, quality in got[-20:])


async def test_values_move_as_in_a_bay(bay: tuple[SimulatedIed, int]) -> None:
    task = asyncio.create_task(live(bay[0].data, every=0.01))
    made, _ = driver(bay[1], [WATTS, spec("MEAS/MMXU1.A.phsA.cVal.mag.f[MX]")])
    async with opened(made) as session:
        await session.startup()
        _, (watts, _, quality) = await next_with(session, 0)
        assert watts > 100
        assert quality & 3 == Validity.GOOD
        bay[0].data.set("CTRL/XCBR1.Pos.stVal", Bits(1, 2))
        async with asyncio.timeout(5):
            while watts:
                _, (watts, _, _) = await next_with(session, 0)
    task.cancel()


async def test_a_model_that_changes_under_us_is_learnt_anew(
    bay: tuple[SimulatedIed, int],
) -> None:
    made, _ = driver(bay[1], [WATTS], auto_reports=False)
    async with opened(made) as session:
        await session.startup()
        node = bay[0].data.model.devices["BAY1MEAS"].nodes["MMXU1"]
        watts = node.fields["MX"].fields["TotW"].fields
        assert isinstance(watts, dict)
        watts["mag"] = watts["q"]
        bay[0].data.values["BAY1MEAS"]["MMXU1"]["MX"]["TotW"]["mag"] = Bits(0, 13)
        with pytest.raises(ProtocolError, match="structure of its type"):
            await session.read(made.points)
    async with opened(made) as session:
        gone = rows(await session.startup())
    assert gone[0][2] & 3 == Validity.INVALID


async def test_a_block_still_held_for_a_broken_association_is_waited_for(
    bay: tuple[SimulatedIed, int],
) -> None:
    made, _ = driver(bay[1], [BREAKER])
    async with opened(made) as broken:
        await broken.startup()
        await next_with(broken, 0)
        async with opened(made) as session:
            with pytest.raises(LinkError, match="still held"):
                await session.startup()
    async with opened(made) as session:
        await session.startup()
        await next_with(session, 0)


async def test_a_device_that_differs_from_its_file_is_told(
    bay: tuple[SimulatedIed, int], tmp_path: Path
) -> None:
    other = tmp_path / "station.scd"
    text = FEEDER_BAY.read_text()
    other.write_text(text.replace('<LN lnClass="MMTR" inst="1"', '<LN lnClass="MMTR" inst="7"'))
    made, link = driver(bay[1], [WATTS], scl=str(other))
    async with opened(made) as session:
        await session.startup()
        await next_with(session, 0)
    assert any("logical node BAY1MEAS/MMTR7 is missing" in warning for warning in link.warnings)


async def test_configured_reports_send_by_themselves_and_with_another_data_set(
    bay: tuple[SimulatedIed, int],
) -> None:
    block = ReportConfig(
        rcb="BAY1CTRL/LLN0.brcbPosition02",
        dataset="BAY1MEAS/LLN0.measured",
        integrity_ms=50,
        gi=False,
    )
    made, link = driver(bay[1], [WATTS, BREAKER], reports=(block,))
    async with opened(made) as session:
        await session.startup()
        batch, _ = await next_with(session, 0)
        assert batch.cause == Cause.POLL
        assert set(rows(await session.read(made.points))) == {1}
    assert any("1 points are in no report" in warning for warning in link.warnings)
    made, link = driver(bay[1], [WATTS], reports=(ReportConfig(rcb="BAY1CTRL/LLN0.nix"),))
    async with opened(made) as session:
        assert set(rows(await session.startup())) == {0}
    assert any("no such report control block" in warning for warning in link.warnings)


FOREIGN = """
import asyncio, json, os, sys, iec61850
async def main():
    c = await iec61850.IedConnection.connect("127.0.0.1:" + sys.argv[1])
    model = await c.get_device_model()
    out = {"devices": sorted(d["name"] for d in model["logical_devices"])}
    out["watts"] = await c.read_float("BAY1MEAS/MMXU1.TotW.mag.f", iec61850.FC.MX)
    out["set"] = len(await c.get_data_set_values("BAY1MEAS/LLN0.measured"))
    models = ("DIRECT_NORMAL", "SBO_NORMAL", "DIRECT_ENHANCED", "SBO_ENHANCED")
    for n, m in enumerate(models, 1):
        ref = f"BAY1CTRL/GGIO1.SPCSO{n}"
        control = c.create_control_object(ref, getattr(iec61850.ControlModel, m))
        if n == 2: await control.select()
        if n == 4: await control.select_with_value(True)
        done = await control.operate(True)
        out[f"control{n}"] = await c.read_bool(ref + ".stVal", iec61850.FC.ST)
    print(json.dumps(out), flush=True)
    os._exit(0)
asyncio.run(main())
"""


async def foreign(port: int, script: str, folder: Path) -> dict[str, Any]:
    path = folder / "client.py"
    path.write_text(script)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(path),
        str(port),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        out, errors = await process.communicate()
    lines = [line for line in out.splitlines() if line.startswith(b"{")]
    assert lines, errors.decode()[-2000:]
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer


async def test_the_client_of_the_package_iec61850_understands_it(
    bay: tuple[SimulatedIed, int], tmp_path: Path
) -> None:
    if importlib.util.find_spec("iec61850") is None:
        pytest.skip(f"the package iec61850 has no wheel for {sys.platform}")
    bay[0].data.set("MEAS/MMXU1.TotW.mag.f", 77.5)
    found = await foreign(bay[1], FOREIGN, tmp_path)
    assert found["devices"] == ["BAY1CTRL", "BAY1MEAS", "BAY1PROT"]
    assert found["watts"] == 77.5
    assert found["set"] == 5
    assert all(found[f"control{n}"] for n in range(1, 5))


LIBRARY = """
import json, os, sys, time
import pyiec61850.pyiec61850 as lib
WATTS = "BAY1MEAS/MMXU1.TotW.mag.f"
for _ in range(8):
    # This library now and then takes a good connection for a lost one: try again.
    c = lib.IedConnection_create()
    _, error = lib.IedConnection_connect(c, "127.0.0.1", int(sys.argv[1]))
    watts, failed = lib.IedConnection_readFloatValue(c, WATTS, lib.IEC61850_FC_MX)
    if not error and not failed:
        break
    lib.IedConnection_destroy(c)
out = {"error": error or failed, "watts": watts}
for name in ("GGIO1.SPCSO1", "GGIO1.SPCSO2", "GGIO1.SPCSO3", "GGIO1.SPCSO4"):
    ref = "BAY1CTRL/" + name
    control = lib.ControlObjectClient_create(ref, c)
    model = lib.ControlObjectClient_getControlModel(control)
    on = lib.MmsValue_newBoolean(True)
    if model == 2: lib.ControlObjectClient_select(control)
    if model == 4: lib.ControlObjectClient_selectWithValue(control, on)
    out[name] = [model, bool(lib.ControlObjectClient_operate(control, on, 0))]
print(json.dumps(out), flush=True)
os._exit(0)
"""


async def test_the_client_of_libiec61850_understands_it(
    bay: tuple[SimulatedIed, int], tmp_path: Path
) -> None:
    if importlib.util.find_spec("pyiec61850") is None:
        pytest.skip("the peer pyiec61850-ng is not installed (extra `dev`)")
    bay[0].data.set("MEAS/MMXU1.TotW.mag.f", 77.5)
    found = await foreign(bay[1], LIBRARY, tmp_path)
    assert (found["error"], found["watts"]) == (0, 77.5)
    assert [found[f"GGIO1.SPCSO{n}"] for n in range(1, 5)] == [[n, True] for n in range(1, 5)]
