"""What makes TCP fast: no delayed acknowledgements, a fragment in one write."""

import socket

from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.lines import connect_tcp
from drivers.dnp3.master import Association, MasterChannel, operations
from drivers.dnp3.outstation import Database, OutstationServer, OutstationSettings


async def test_acknowledgements_are_quick_after_every_read_and_a_fragment_is_one_write() -> None:
    wrote: list[bytes] = []
    database = Database({PointType.AI: range(4000)})
    outstation = OutstationServer(
        OutstationSettings(max_fragment=65535, unsolicited=False, keep_alive=None),
        database,
        on_wire=lambda sent, data: wrote.append(data) if sent else None,
    )
    async with outstation.listen("127.0.0.1", 0) as port:
        line = await connect_tcp("127.0.0.1", port, within=2)
        assert line._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        armed: list[tuple[int, int]] = []
        reads: list[int] = []

        class Watched:
            def setsockopt(self, level: int, name: int, value: int) -> None:
                armed.append((name, value))

        line._socket = Watched()
        taken = line.data_received

        def count(data: bytes) -> None:
            reads.append(len(data))
            taken(data)

        line.data_received = count  # type: ignore[method-assign]
        peer = Association(MasterChannel(line), 10, timeout=2)
        answer = await operations.integrity(peer)
        assert reads
        assert armed == [(socket.TCP_QUICKACK, 1)] * len(reads)
        assert len(wrote) == len(answer.fragments) == 1
        assert len(wrote[0]) > 10_000
        line.close()
