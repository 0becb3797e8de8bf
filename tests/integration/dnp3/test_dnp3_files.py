"""Files of an outstation: of a folder, and of a store that takes its time."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from drivers.dnp3.codec.app import Function, Iin, sized
from drivers.dnp3.codec.files import (
    FileCommand,
    FileDescriptor,
    FileMode,
    FileStatus,
    FileType,
)
from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.lines import connect_tcp
from drivers.dnp3.master import Association, FileError, MasterChannel, operations
from drivers.dnp3.master import files as transfer
from drivers.dnp3.outstation import (
    Database,
    FolderStore,
    Handler,
    OutstationServer,
    OutstationSettings,
)
from hub import NoResponse


class SlowStore:
    """Gives what it has when it is let; remembers in which thread it was asked."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked: list[tuple[str, str]] = []
        self.content = b"x" * 5000

    def _wait(self, what: str) -> None:
        self.asked.append((what, threading.current_thread().name))
        assert self.go.wait(10)

    def read(self, name: str) -> bytes:
        self._wait("read")
        return self.content

    def write(self, name: str, data: bytes) -> None:
        self._wait("write")
        self.content = data

    def delete(self, name: str) -> None:
        self._wait("delete")

    def describe(self, name: str) -> FileDescriptor:
        self._wait("describe")
        return FileDescriptor(name=name, size=len(self.content))


class Device(Handler):
    def __init__(self, store: Any) -> None:
        self.files = store


Shelf = tuple[Association, SlowStore, OutstationServer]
OPEN = sized(70, 3, FileCommand(name="log", mode=FileMode.READ, block=1024).encode())


@pytest.fixture
async def shelf() -> AsyncIterator[Shelf]:
    device = Device(SlowStore())
    database = Database({PointType.BI: range(2)})
    server = OutstationServer(OutstationSettings(keep_alive=None), database, device)
    async with server.listen("127.0.0.1", 0) as port:
        line = await connect_tcp("127.0.0.1", port, within=2)
        yield Association(MasterChannel(line), 10, timeout=5), device.files, server
        device.files.go.set()
        line.close()


async def asked(store: SlowStore, count: int = 1) -> None:
    async with asyncio.timeout(5):
        while len(store.asked) < count:
            await asyncio.sleep(0.005)


async def test_the_event_loop_runs_on_while_the_store_is_read(shelf: Shelf) -> None:
    peer, store, server = shelf
    reading = asyncio.ensure_future(transfer.read_file(peer, "log"))
    await asked(store)
    assert not reading.done()
    server.database.update(PointType.BI, 1, 1.0, time=0)
    assert server.connected
    store.go.set()
    assert await reading == store.content
    assert store.asked[0][1] != threading.main_thread().name


async def test_every_way_to_the_store_leaves_the_event_loop_alone(shelf: Shelf) -> None:
    peer, store, _ = shelf
    work = asyncio.ensure_future(transfer.write_file(peer, "log", b"new"))
    await asked(store)
    store.go.set()
    await work
    await transfer.delete_file(peer, "log")
    assert (await transfer.file_info(peer, "log")).size == 3
    assert {what for what, _ in store.asked} == {"read", "write", "delete", "describe"}
    assert threading.main_thread().name not in {thread for _, thread in store.asked}


async def test_a_request_asked_again_meanwhile_is_done_once(shelf: Shelf) -> None:
    peer, store, _ = shelf
    with pytest.raises(NoResponse):
        await peer.request(Function.OPEN_FILE, OPEN, within=0.1)
    peer._sequence = (peer._sequence - 1) & 0x0F
    again = asyncio.ensure_future(peer.request(Function.OPEN_FILE, OPEN))
    await asyncio.sleep(0.05)
    store.go.set()
    assert [block.group for block in (await again).blocks()] == [70]
    assert len(store.asked) == 1


async def test_a_new_request_takes_the_place_of_one_that_waits_for_the_store(shelf: Shelf) -> None:
    peer, store, server = shelf
    with pytest.raises(NoResponse):
        await peer.request(Function.OPEN_FILE, OPEN, within=0.1)
    answer = await peer.request(Function.READ, operations.CLASSES[0])
    assert not answer.iin & Iin.PARAMETER_ERROR
    faults: list[str] = []
    peer.channel._fault = faults.append
    store.go.set()
    await asyncio.gather(*server._errands)
    assert (await peer.request(Function.READ, operations.CLASSES[0])).fragments
    assert faults == []
    assert server.outstation._requests.files._open == {}


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[tuple[Association, Path]]:
    device = Device(FolderStore(tmp_path, writable=True))
    outstation = OutstationServer(OutstationSettings(keep_alive=None), Database({}), device)
    async with outstation.listen("127.0.0.1", 0) as port:
        line = await connect_tcp("127.0.0.1", port, within=2)
        yield Association(MasterChannel(line), 10, timeout=2), tmp_path
        line.close()


async def test_a_file_goes_there_and_comes_back(folder: tuple[Association, Path]) -> None:
    peer, place = folder
    data = random.Random(3).randbytes(10_000)
    await transfer.write_file(peer, "report.bin", data)
    assert (place / "report.bin").read_bytes() == data
    assert await transfer.read_file(peer, "report.bin") == data
    info = await transfer.file_info(peer, "report.bin")
    assert (info.name, info.size, info.type) == ("report.bin", 10_000, FileType.FILE)
    await transfer.write_file(peer, "empty", b"")
    assert await transfer.read_file(peer, "empty") == b""
    assert [entry.name for entry in await transfer.list_directory(peer)] == ["empty", "report.bin"]
    await transfer.delete_file(peer, "empty")
    assert not (place / "empty").exists()


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("missing", FileStatus.NOT_FOUND),
        ("../../etc/passwd", FileStatus.PERMISSION_DENIED),
        ("a\0b", FileStatus.PERMISSION_DENIED),
    ],
)
async def test_a_file_that_may_not_be_read_is_refused(
    folder: tuple[Association, Path], name: str, status: FileStatus
) -> None:
    with pytest.raises(FileError) as error:
        await transfer.read_file(folder[0], name)
    assert error.value.file_status == status
