"""Reading and writing files of an outstation (IEEE 1815 clause 5.3)."""

from drivers.dnp3.codec.app import Function, sized
from drivers.dnp3.codec.files import (
    FileAck,
    FileBlock,
    FileCommand,
    FileCommandStatus,
    FileDescriptor,
    FileMode,
    FileObject,
    FileStatus,
    parse,
)
from drivers.dnp3.codec.values import octets
from hub import HubError, ProtocolError

from .association import Association, Response

_BLOCK = 1024


class FileError(HubError):
    """The outstation refused a file operation."""

    code = "dnp3_file"

    def __init__(self, name: str, status: int) -> None:
        known = status in FileStatus._value2member_map_
        word = FileStatus(status).name if known else f"status {status}"
        super().__init__(f"file {name}: {word}")
        self.file_status = status


def _objects(answer: Response, what: str) -> list[FileObject]:
    answer.require(what)
    found: list[FileObject] = []
    for block in answer.blocks():
        if block.group == 70:
            for data in octets(block):
                item = parse(block.number, data)
                if item is not None:
                    found.append(item)
    if not found:
        raise ProtocolError(f"{what}: the answer has no file object")
    return found


async def _open(peer: Association, name: str, mode: FileMode, size: int = 0) -> FileCommandStatus:
    command = FileCommand(name=name, mode=mode, size=size, block=_BLOCK)
    answer = await peer.request(Function.OPEN_FILE, sized(70, 3, command.encode()))
    status = _objects(answer, f"opening {name}")[0]
    if not isinstance(status, FileCommandStatus):
        raise ProtocolError(f"opening {name} was answered with {type(status).__name__}")
    if status.status != FileStatus.SUCCESS:
        raise FileError(name, status.status)
    return status


async def _close(peer: Association, name: str, handle: int) -> None:
    request = FileCommandStatus(handle=handle)
    answer = await peer.request(Function.CLOSE_FILE, sized(70, 4, request.encode()))
    status = _objects(answer, f"closing {name}")[0]
    if isinstance(status, FileCommandStatus) and status.status != FileStatus.SUCCESS:
        raise FileError(name, status.status)


async def read_file(peer: Association, name: str, *, max_size: int = 16 << 20) -> bytes:
    """A whole file, or a directory's descriptors; ProtocolError when it is larger than allowed."""
    opened = await _open(peer, name, FileMode.READ)
    out, number = bytearray(), 0
    try:
        while True:
            ask = FileBlock(handle=opened.handle, number=number)
            answer = await peer.request(Function.READ, sized(70, 5, ask.encode()))
            block = _objects(answer, f"reading {name}")[0]
            if isinstance(block, FileAck):
                raise FileError(name, block.status)
            if not isinstance(block, FileBlock) or block.number != number:
                raise ProtocolError(f"reading {name}: another block than {number} came")
            out += block.data
            if block.last:
                return bytes(out)
            if len(out) > max_size or not block.data:
                raise ProtocolError(f"reading {name}: no end after {len(out)} octets")
            number += 1
    finally:
        await _close(peer, name, opened.handle)


async def write_file(peer: Association, name: str, data: bytes) -> None:
    opened = await _open(peer, name, FileMode.WRITE, len(data))
    size = opened.block or _BLOCK
    cuts = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
    for number, part in enumerate(cuts):
        last = number == len(cuts) - 1
        block = FileBlock(handle=opened.handle, number=number, last=last, data=part)
        answer = await peer.request(Function.WRITE, sized(70, 5, block.encode()))
        ack = _objects(answer, f"writing {name}")[0]
        if not isinstance(ack, FileAck) or ack.number != number:
            raise ProtocolError(f"writing {name}: block {number} was not acknowledged")
        if ack.status != FileStatus.SUCCESS:
            raise FileError(name, ack.status)
    await _close(peer, name, opened.handle)


async def list_directory(peer: Association, name: str = "/") -> list[FileDescriptor]:
    data = await read_file(peer, name)
    found = []
    while data:
        entry, data = FileDescriptor.take(data)
        found.append(entry)
    return found


async def delete_file(peer: Association, name: str) -> None:
    command = FileCommand(name=name, mode=FileMode.DELETE)
    answer = await peer.request(Function.DELETE_FILE, sized(70, 3, command.encode()))
    status = _objects(answer, f"deleting {name}")[0]
    if isinstance(status, FileCommandStatus) and status.status != FileStatus.SUCCESS:
        raise FileError(name, status.status)


async def file_info(peer: Association, name: str) -> FileDescriptor:
    request = FileDescriptor(name=name)
    answer = await peer.request(Function.GET_FILE_INFO, sized(70, 7, request.encode()))
    found = _objects(answer, f"asking about {name}")[0]
    if isinstance(found, FileCommandStatus):
        raise FileError(name, found.status)
    if not isinstance(found, FileDescriptor):
        raise ProtocolError(f"asking about {name} was answered with {type(found).__name__}")
    return found
