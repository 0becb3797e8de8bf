"""A gateway as an outstation: a control centre sees its points and opens a breaker behind it."""

import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from drivers.dnp3.codec.commands import AnalogOutput, CommandStatus, ControlCode, Crob
from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.config import Slave
from drivers.dnp3.lines import StreamLine, connect_tcp
from drivers.dnp3.master import Association, MasterChannel, Measurements, operations
from drivers.dnp3.outstation import OutstationServer, OutstationSettings
from drivers.dnp3.slave import exposed
from hub import SITE, CommandDone, ConfigError, LinkError, Outcome
from hub.kernel.app import JOURNAL, Hub
from hub.kernel.operator import OPERATOR
from hub.kernel.profiles import Profiles
from simulators.dnp3 import Rtu
from tests.integration.dnp3.dnp3_rig import running
from tests.waiting import until

CLOSED, OPEN = 2.0, 1.0
FILE = """
[gateway]
name = "s7"
data_dir = "{folder}"
[api]
port = 0
[[plugin.dnp3.outstations]]
host = "127.0.0.1"
port = {port}
address = 77
master = 3
points = [
  { point = "bay.voltage.l12", address = "ai:5", deadband = 1000.0, event_class = 2 },
  { point = "bay.switch.position", address = "dbi:0" },
  { point = "bay.breaker", address = "bo:1" },
  { point = "bay.power_limit", address = "ao:0" },
]
[[channels]]
driver = "dnp3-tcp"
name = "line"
host = "127.0.0.1"
port = {rtu}
[[channels.devices]]
name = "bay"
profile = "generic/dnp3_rtu"
"""


class Centre:
    """A control centre on the gateway, and what it was told."""

    def __init__(self, hub: Hub, rtu: Rtu, peer: Association) -> None:
        self.hub, self.rtu, self.peer = hub, rtu, peer
        self.seen: dict[tuple[PointType, int], float] = {}
        peer.on_reports = self._take

    def _take(self, reports: list[Any]) -> None:
        for report in reports:
            if isinstance(report, Measurements):
                cols = report.columns
                for index, value in zip(cols.index.tolist(), cols.values().tolist(), strict=True):
                    self.seen[report.point, index] = value

    def commands(self) -> list[CommandDone]:
        return self.hub.get(JOURNAL).of(CommandDone)  # type: ignore[attr-defined,no-any-return]


async def connected(port: int) -> StreamLine | None:
    """A line to the gateway once it listens."""
    with contextlib.suppress(LinkError):
        return await connect_tcp("127.0.0.1", port, within=2)
    return None


@pytest.fixture
async def centre(tmp_path: Path) -> AsyncIterator[Centre]:
    rtu = Rtu(Profiles().find("generic/dnp3_rtu"))
    server = OutstationServer(OutstationSettings(keep_alive=None), rtu.database, rtu)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with server.listen("127.0.0.1", 0) as field:
        file = FILE.replace("{port}", str(port)).replace("{rtu}", str(field))
        async with running(file, tmp_path) as hub:
            line = await until(lambda: connected(port))
            found = Centre(hub, rtu, Association(MasterChannel(line, 3), 77, timeout=2))
            await operations.startup(found.peer)
            await until(lambda: found.seen.get((PointType.DBI, 0)) == CLOSED)
            yield found
            line.close()
    with pytest.raises(LinkError):
        await connect_tcp("127.0.0.1", port, within=1)


async def test_it_sees_engineering_values_and_opens_the_breaker(centre: Centre) -> None:
    await until(lambda: 19_000 < centre.seen.get((PointType.AI, 5), 0) < 21_000)
    trip = [(1, Crob(ControlCode.TRIP))]
    assert await operations.select_operate(centre.peer, trip) == [CommandStatus.SUCCESS]
    await until(lambda: centre.seen[PointType.DBI, 0] == OPEN)
    await until(lambda: centre.seen[PointType.BO, 1] == 0.0)
    limit = [(0, AnalogOutput(33.0, 4))]
    assert await operations.direct_operate(centre.peer, limit) == [CommandStatus.SUCCESS]
    await until(lambda: centre.rtu.database.tables[PointType.AO].value[0] == 33.0)


async def test_it_is_refused_while_a_person_on_site_has_taken_over(centre: Centre) -> None:
    await centre.hub.get(OPERATOR).set_local(True)
    trip = [(1, Crob(ControlCode.TRIP))]
    assert await operations.direct_operate(centre.peer, trip) == [CommandStatus.LOCAL]
    await centre.hub.get(OPERATOR).set_local(False)
    centre.rtu.local = True
    assert await operations.direct_operate(centre.peer, trip) == [CommandStatus.SUCCESS]
    await until(centre.commands)
    assert centre.commands()[-1].outcome is Outcome.LOCAL
    assert centre.commands()[-1].actor == "dnp3 master 3"
    assert centre.seen[PointType.DBI, 0] == CLOSED


@pytest.mark.parametrize(
    ("points", "fault"),
    [
        ([("bay.nothing", "ai:0")], "'bay.nothing' is no point"),
        ([("bay.breaker", "boc:0")], "cannot be shown as boc:0"),
        ([("bay.breaker", "hr:0")], "no DNP3 address"),
        ([("bay.breaker", "bo:0"), ("bay.power_limit", "bo:0")], "there twice"),
        ([("bay.breaker", "bo:0"), ("bay.breaker", "bi:0")], "there twice"),
    ],
)
async def test_what_cannot_be_shown_is_named(
    centre: Centre, points: list[tuple[str, str]], fault: str
) -> None:
    slave = msgspec.convert(
        {"points": [{"point": key, "address": address} for key, address in points]}, Slave
    )
    with pytest.raises(ConfigError, match=fault):
        exposed(slave, centre.hub.get(SITE))


async def test_a_port_in_use_is_told_and_the_rest_of_the_gateway_runs_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rtu = Rtu(Profiles().find("generic/dnp3_rtu"))
    server = OutstationServer(OutstationSettings(keep_alive=None), rtu.database, rtu)
    async with server.listen("127.0.0.1", 0) as field:
        file = FILE.replace("{port}", str(field)).replace("{rtu}", str(field))
        async with running(file, tmp_path) as hub:
            site = hub.get(SITE)
            await until(lambda: len(site.latest([site.points["bay.voltage.l12"]])))
            place = f"127.0.0.1:{field}"
            assert f"dnp3 outstation 77: cannot listen on {place}" in caplog.text
