"""Against the server of the package `iec61850`."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from drivers.iec61850.association import Options
from drivers.iec61850.control import ControlModel, Order
from drivers.iec61850.ied import Ied
from drivers.iec61850.mms.pdu import ObjectName, ServiceError
from drivers.iec61850.reports import Block, Report, Wish
from hub import Outcome
from tests.integration.iec61850.peer import Peer


@pytest.fixture
async def served(rust: Peer) -> AsyncIterator[Ied]:
    ied = await Ied.open("127.0.0.1", rust.port, Options(request_timeout=3.0))
    await ied.discover()
    yield ied
    await ied.close()


async def test_discovery_and_reads(served: Ied, rust: Peer) -> None:
    assert set(served.model.devices) == {"BAY1CTRL", "BAY1MEAS", "BAY1PROT"}
    await rust.tell("float MEAS/MMXU1.TotW.mag.f 5.5")
    value = await served.client.read_one(ObjectName("MMXU1$MX$TotW", "BAY1MEAS"))
    assert value[0] == [5.5]
    values = await served.client.read_data_set(ObjectName("LLN0$values", "BAY1MEAS"))
    assert values[0] == 5.5


async def test_a_service_that_the_server_lacks_is_an_error_and_not_the_end(served: Ied) -> None:
    with pytest.raises(ServiceError):
        await served.client.status()
    assert (await served.client.identify()).vendor


@pytest.mark.parametrize("number", [1, 2, 3, 4])
async def test_each_control_model_operates(served: Ied, number: int) -> None:
    target = ObjectName(f"GGIO1$CO$SPCSO{number}", "BAY1CTRL")
    kind = served.model.type_of(target)
    assert kind is not None
    order = Order(value=True, time=int(time.time() * 1e6), number=number)
    model = ControlModel(number)
    if model.selects:
        selected = await served.controls.select(target, kind, model, order)
        assert selected.outcome == Outcome.DONE, selected
    result = await served.controls.operate(target, kind, model, order)
    assert result.outcome == Outcome.DONE, result
    status = ObjectName(f"GGIO1$ST$SPCSO{number}$stVal", "BAY1CTRL")
    assert await served.client.read_one(status) is True


async def test_a_refused_selection_without_a_cause_is_told_as_the_server_does(served: Ied) -> None:
    target = ObjectName("CSWI1$CO$Pos", "BAY1CTRL")
    kind = served.model.type_of(target)
    assert kind is not None
    order = Order(value=True, time=int(time.time() * 1e6), number=1)
    result = await served.controls.select(target, kind, ControlModel.SBO_ENHANCED, order)
    assert result.outcome == Outcome.REJECTED
    assert "object access denied" in result.detail


async def block(ied: Ied, name: str) -> Block:
    return next(b for b in await ied.blocks() if b.name.item.endswith(name))


async def test_blocks_that_the_server_leaves_out_of_its_types_are_used(
    served: Ied, rust: Peer
) -> None:
    got: asyncio.Queue[Report] = asyncio.Queue()
    await served.subscribe(await block(served, "urcb01"), Wish(), got.put_nowait)
    async with asyncio.timeout(5):
        assert (await got.get()).included == (0, 1, 2)
        await rust.tell("float MEAS/MMXU1.Hz.mag.f 50.5")
        assert (await got.get()).values == [50.5]


async def test_setting_groups_are_read_and_switched(served: Ied) -> None:
    groups = served.setting_groups("BAY1PROT")
    assert (await groups.read()).count == 3
    await groups.activate(2)
    assert (await groups.read()).active == 2


async def test_a_log_is_queried_by_time(served: Ied, rust: Peer) -> None:
    start = 1_700_000_000_000
    for n in range(5):
        await rust.tell(f"log {start + n * 1000} {50 + n}")
    log = ObjectName("LLN0$LG$lcb01", "BAY1MEAS")  # this server calls the log as its control block
    entries = await served.client.log(log, (start + 1000) * 1000, (start + 3000) * 1000)
    assert [entry.time for entry in entries] == [(start + n * 1000) * 1000 for n in (1, 2, 3)]
    told = [entry.values["BAY1MEAS/MMXU1$MX$Hz$mag$f"] for entry in entries]
    assert told == [51.0, 52.0, 53.0]
