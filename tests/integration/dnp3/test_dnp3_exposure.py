"""Points of the hub towards a control centre, and its commands back."""

from drivers.dnp3.codec.commands import AnalogOutput, CommandStatus, ControlCode, Crob
from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.lines import connect_tcp
from drivers.dnp3.master import Association, MasterChannel, Measurements, operations
from drivers.dnp3.outstation import (
    Exposed,
    Exposure,
    ExposureHandler,
    OutstationServer,
    OutstationSettings,
)
from hub import LOST, Flag, ReadingBatch, Validity, quality

NOW = 1_700_000_000_000_000
EXPOSED = (
    Exposed(point=7, type=PointType.AI, index=0, deadband=1.0),
    Exposed(point=8, type=PointType.DBI, index=3),
    Exposed(point=9, type=PointType.BO, index=0),
    Exposed(point=10, type=PointType.AO, index=1),
)


class Hub:
    def __init__(self) -> None:
        self.done: list[tuple[int, float]] = []

    def allowed(self, point: int, value: float) -> CommandStatus:
        return CommandStatus.SUCCESS if value < 100 else CommandStatus.OUT_OF_RANGE

    def execute(self, point: int, value: float) -> CommandStatus:
        self.done.append((point, value))
        return CommandStatus.SUCCESS


async def test_a_control_centre_sees_readings_and_operates() -> None:
    exposure, hub = Exposure(EXPOSED), Hub()
    batch = ReadingBatch.of([7, 8, 99], NOW, [230.25, 2.0, 1.0], [quality(), quality(), quality()])
    exposure.take(batch)
    server = OutstationServer(
        OutstationSettings(keep_alive=None), exposure.database, ExposureHandler(EXPOSED, hub)
    )
    async with server.listen("127.0.0.1", 0) as port:
        line = await connect_tcp("127.0.0.1", port, within=2)
        peer = Association(MasterChannel(line), 10, timeout=2)
        seen: list[Measurements] = []
        peer.on_reports = seen.extend  # type: ignore[assignment]
        await operations.startup(peer, unsolicited=())
        assert {(r.point, r.columns.values()[0]) for r in seen if r.point is PointType.AI} == {
            (PointType.AI, 230.25)
        }
        seen.clear()
        inside = ReadingBatch.of([7], NOW + 1000, [230.5])
        beyond = ReadingBatch.of([7], NOW + 2000, [240.0], quality(flags=Flag.OVERRANGE))
        lost = ReadingBatch.of([8], NOW + 3000, [float("nan")], LOST)
        for part in (inside, beyond, lost):
            exposure.take(part)
        await operations.poll(peer, (1,))
        events = [(r.point, r.columns) for r in seen]
        assert [(p, c.values()[0], c.flags[0], c.times()[0]) for p, c in events] == [
            (PointType.AI, 240.0, 0x21, NOW // 1000 + 2),
            (PointType.DBI, 2.0, 0x84, NOW // 1000 + 3),
        ]
        trip = [(0, Crob(ControlCode.TRIP))]
        assert await operations.select_operate(peer, trip) == [CommandStatus.SUCCESS]
        point = [(1, AnalogOutput(50.5, 4))]
        assert await operations.direct_operate(peer, point) == [CommandStatus.SUCCESS]
        high = [(1, AnalogOutput(500.0, 4))]
        assert await operations.direct_operate(peer, high) == [CommandStatus.OUT_OF_RANGE]
        none = [(5, Crob(ControlCode.LATCH_ON))]
        assert await operations.direct_operate(peer, none) == [CommandStatus.NOT_SUPPORTED]
        assert hub.done == [(9, 0.0), (10, 50.5)]
        line.close()


def test_what_the_hub_doubts_the_centre_is_told() -> None:
    exposure = Exposure(EXPOSED)
    table = exposure.database.tables[PointType.AI]
    for word, flags in (
        (quality(), 0x01),
        (quality(Validity.INVALID), 0x00),
        (LOST, 0x04),
        (quality(Validity.QUESTIONABLE, Flag.SUBSTITUTED), 0x11),
        (quality(Validity.QUESTIONABLE, Flag.RESTART | Flag.INACCURATE), 0x43),
    ):
        exposure.take(ReadingBatch.of([7], NOW, [1.0], word))
        assert table.flags[0] == flags
