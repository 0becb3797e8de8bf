"""Against libiec61850: discovery, values, data sets, controls, reports, files, settings."""

import asyncio
import math
import time
from typing import Any

import pytest

from drivers.iec61850 import model, scl
from drivers.iec61850.association import Options
from drivers.iec61850.control import ControlModel, Order
from drivers.iec61850.ied import Ied
from drivers.iec61850.mms.data import AccessError, Bits, UtcTime
from drivers.iec61850.mms.pdu import ObjectName, ServiceError
from drivers.iec61850.reports import Block, Report, Wish
from hub import Outcome
from tests.integration.iec61850.conftest import BAY, Start
from tests.integration.iec61850.peer import Peer

WATTS = ObjectName("MMXU1$MX$TotW", "BAY1MEAS")
START = "PTOC1.StrVal.setMag.f"


def order(value: Any, number: int = 1, **more: Any) -> Order:
    return Order(value=value, time=int(time.time() * 1e6), number=number, **more)


async def test_the_live_model_is_that_of_the_file(ied: Ied) -> None:
    assert model.differences(model.from_scl(scl.read(BAY).ied()), ied.model) == []
    await ied.client.status()
    identity = await ied.client.identify()
    assert (identity.vendor, identity.model) == ("MZ", "peer")


async def test_a_model_known_before_is_not_asked_for_again(ied: Ied) -> None:
    before = ied.model
    again = await ied.discover(before)
    assert all(again.devices[d].nodes is before.devices[d].nodes for d in before.devices)


async def test_values_come_with_quality_and_time(ied: Ied, libiec61850: Peer) -> None:
    await libiec61850.tell("float MEAS/MMXU1.TotW.mag.f 1234.5")
    await libiec61850.tell("quality MEAS/MMXU1.TotW.q 3")
    value = await ied.client.read_one(WATTS)
    assert value[0] == [1234.5]
    assert isinstance(value[1], Bits)
    assert value[1].size == 13
    assert (value[1][0], value[1][1]) == (True, True)
    assert isinstance(value[2], UtcTime)


async def test_a_name_that_does_not_exist_is_an_error_in_its_own_place(ied: Ied) -> None:
    values = await ied.client.read([WATTS, ObjectName("MMXU1$MX$Nix", "BAY1MEAS"), WATTS])
    assert [isinstance(v, AccessError) for v in values] == [False, True, False]


async def test_more_names_than_one_request_holds_are_read(ied: Ied) -> None:
    values = await ied.client.read([WATTS] * 4000)
    assert len(values) == 4000
    assert not any(isinstance(v, AccessError) for v in values)


async def test_a_small_pdu_size_is_kept(libiec61850: Peer) -> None:
    from drivers.iec61850.mms.pdu import Initiate

    options = Options(propose=Initiate(detail=1000), tpdu_size=256)
    ied = await Ied.open("127.0.0.1", libiec61850.port, options)
    assert ied.association.limits.detail <= 1000
    found = await ied.discover()
    assert model.differences(model.from_scl(scl.read(BAY).ied()), found) == []
    assert len(await ied.client.read([WATTS] * 500)) == 500
    await ied.close()


async def test_a_data_set_is_read_and_one_is_made_and_deleted(ied: Ied) -> None:
    values = await ied.client.read_data_set(ObjectName("LLN0$measured", "BAY1MEAS"))
    assert len(values) == 5
    name = ObjectName("LLN0$mine", "BAY1MEAS")
    members = [WATTS, ObjectName("MMXU1$MX$Hz", "BAY1MEAS")]
    await ied.client.define_data_set(name, members)
    assert await ied.client.members(name) == (members, True)
    assert len(await ied.client.read_data_set(name)) == 2
    assert await ied.client.delete_data_set(name)
    with pytest.raises(ServiceError, match="non-existent"):
        await ied.client.members(name)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
async def test_each_control_model_operates(ied: Ied, number: int) -> None:
    target = ObjectName(f"GGIO1$CO$SPCSO{number}", "BAY1CTRL")
    kind = ied.model.type_of(target)
    assert kind is not None
    found = await ied.controls.model(target)
    assert found == ControlModel(number)
    wanted = order(True, number)
    if found.selects:
        selected = await ied.controls.select(target, kind, found, wanted)
        assert selected.outcome == Outcome.DONE, selected
    result = await ied.controls.operate(target, kind, found, wanted)
    assert result.outcome == Outcome.DONE, result
    assert result.detail == ("terminated" if found.enhanced else "operated")
    status = ObjectName(f"GGIO1$ST$SPCSO{number}$stVal", "BAY1CTRL")
    assert await ied.client.read_one(status) is True


async def test_operating_what_was_not_selected_is_refused_with_its_cause(ied: Ied) -> None:
    target = ObjectName("CSWI1$CO$Pos", "BAY1CTRL")
    kind = ied.model.type_of(target)
    assert kind is not None
    result = await ied.controls.operate(target, kind, ControlModel.SBO_ENHANCED, order(True))
    assert result.outcome == Outcome.NO_SELECT
    assert "AddCause 18: object not selected" in result.detail


async def test_an_interlock_of_the_device_is_told(ied: Ied, libiec61850: Peer) -> None:
    await libiec61850.tell("block CTRL/GGIO1.SPCSO3 1")
    target = ObjectName("GGIO1$CO$SPCSO3", "BAY1CTRL")
    kind = ied.model.type_of(target)
    assert kind is not None
    refused = await ied.controls.operate(
        target, kind, ControlModel.DIRECT_ENHANCED, order(True, check_interlock=True)
    )
    assert refused.outcome == Outcome.INTERLOCKED
    assert refused.detail == "AddCause 10: blocked by interlocking"


async def test_a_selection_can_be_cancelled(ied: Ied) -> None:
    target = ObjectName("GGIO1$CO$SPCSO4", "BAY1CTRL")
    kind = ied.model.type_of(target)
    assert kind is not None
    wanted = order(True)
    model_ = ControlModel.SBO_ENHANCED
    assert (await ied.controls.select(target, kind, model_, wanted)).outcome == Outcome.DONE
    assert (await ied.controls.cancel(target, kind, wanted)).outcome == Outcome.DONE
    after = await ied.controls.operate(target, kind, model_, wanted)
    assert after.outcome == Outcome.NO_SELECT


@pytest.mark.parametrize(("name", "value"), [("AnOut1", 42.5), ("ISCSO1", 7)])
async def test_analogue_and_integer_controls_take_numbers(
    ied: Ied, name: str, value: float
) -> None:
    target = ObjectName(f"GGIO1$CO${name}", "BAY1CTRL")
    kind = ied.model.type_of(target)
    assert kind is not None
    result = await ied.controls.operate(target, kind, ControlModel.DIRECT, order(value))
    assert result.outcome == Outcome.DONE, result
    shown = await ied.client.read_one(ObjectName(f"{target.item}$Oper$ctlVal", "BAY1CTRL"))
    assert shown == ([value] if name == "AnOut1" else value)


async def block(ied: Ied, name: str) -> Block:
    return next(b for b in await ied.blocks() if b.name.item.endswith(name))


async def test_an_unbuffered_block_reports_interrogation_and_change(
    ied: Ied, libiec61850: Peer
) -> None:
    got: asyncio.Queue[Report] = asyncio.Queue()
    await ied.subscribe(await block(ied, "urcbMeasured01"), Wish(), got.put_nowait)
    async with asyncio.timeout(5):
        general = await got.get()
        assert general.included == (0, 1, 2, 3, 4)
        assert all(reason[5] for reason in general.reasons)
        await libiec61850.tell("float MEAS/MMXU1.Hz.mag.f 49.98")
        change = await got.get()
    assert change.included == (2,)
    assert math.isclose(change.values[0][0][0], 49.98, rel_tol=1e-6)
    assert change.reasons[0][1]


async def test_a_buffered_block_resumes_with_exactly_what_was_missed(
    ied: Ied, libiec61850: Peer
) -> None:
    got: asyncio.Queue[Report] = asyncio.Queue()
    wish = Wish(gi=False)
    await ied.subscribe(await block(ied, "brcbPosition01"), wish, got.put_nowait)
    await libiec61850.tell("dbpos CTRL/XCBR1.Pos.stVal 2 1700000000000")
    async with asyncio.timeout(5):
        first = await got.get()
    assert first.entry is not None
    ied.association.abort()
    for n in range(5):
        await libiec61850.tell(f"dbpos CTRL/XCBR1.Pos.stVal {1 + n % 2} {1700000001000 + n}")
    other = await Ied.open("127.0.0.1", libiec61850.port)
    await other.discover()
    again: asyncio.Queue[Report] = asyncio.Queue()
    resume = Wish(gi=False, entry=first.entry)
    await other.subscribe(await block(other, "brcbPosition01"), resume, again.put_nowait)
    async with asyncio.timeout(5):
        missed = [await again.get() for _ in range(5)]
    times = [report.values[0][2].us for report in missed]
    assert times == [1700000001000000 + n * 1000 for n in range(5)]
    await asyncio.sleep(0.3)
    assert again.empty()
    await other.close()


async def test_two_devices_with_the_same_block_names_do_not_mix(
    start_libiec61850: Start,
) -> None:
    peers = [await start_libiec61850() for _ in range(2)]
    ieds = [await Ied.open("127.0.0.1", peer.port) for peer in peers]
    queues: list[asyncio.Queue[Report]] = [asyncio.Queue(), asyncio.Queue()]
    for each, queue in zip(ieds, queues, strict=True):
        await each.discover()
        block_ = await block(each, "urcbMeasured01")
        await each.subscribe(block_, Wish(gi=False), queue.put_nowait)
    await peers[1].tell("float MEAS/MMXU1.Hz.mag.f 51")
    async with asyncio.timeout(5):
        report = await queues[1].get()
    assert report.values[0][0] == [51.0]
    assert queues[0].empty()
    await asyncio.gather(*(each.close() for each in ieds))


async def test_files_are_listed_and_fetched(ied: Ied) -> None:
    (entry,) = await ied.client.files()
    assert (entry.name, entry.size) == ("fault.cfg", 13 * 9000)
    content = b"".join([piece async for piece in ied.client.download(entry.name)])
    assert content == b"BAY1,1,1999\r\n" * 9000
    with pytest.raises(ServiceError, match="file non-existent"):
        async for _ in ied.client.download("nix"):
            pass
    await ied.client.delete_file(entry.name)
    assert await ied.client.files() == []


async def test_a_setting_group_is_edited_confirmed_and_made_active(ied: Ied) -> None:
    groups = ied.setting_groups("BAY1PROT")
    found = await groups.read()
    assert (found.count, found.active, found.edited) == (3, 1, 0)
    assert await groups.values(2, [START]) == [20.0]
    await groups.edit(2, {START: 21.5})
    assert await groups.values(2, [START]) == [21.5]
    assert await groups.values(3, [START]) == [30.0]
    working = ObjectName("PTOC1$SG$StrVal$setMag$f", "BAY1PROT")
    assert await ied.client.read_one(working) == 10.0
    await groups.activate(2)
    assert (await groups.read()).active == 2
    assert await ied.client.read_one(working) == 21.5


async def test_a_setting_that_is_refused_leaves_the_group_as_it_was(
    ied: Ied, libiec61850: Peer
) -> None:
    groups = ied.setting_groups("BAY1PROT")
    with pytest.raises(ServiceError, match="EditSG: object value invalid"):
        await groups.edit(9, {START: 1.0})
    with pytest.raises(LookupError, match=r"no setting BAY1PROT/PTOC1\$SE\$Nix"):
        await groups.edit(2, {START: 5.0, "PTOC1.Nix.setMag.f": 1.0})
    other = await Ied.open("127.0.0.1", libiec61850.port)
    await other.discover()
    await groups._put("EditSG", 2)
    with pytest.raises(ServiceError, match="EditSG: temporarily unavailable"):
        await other.setting_groups("BAY1PROT").edit(2, {START: 5.0})
    await groups._put("EditSG", 0)
    assert await groups.values(2, [START]) == [20.0]
    await other.close()
    with pytest.raises(LookupError, match="no setting groups"):
        ied.setting_groups("BAY1CTRL")
