"""Files that an outstation offers (IEEE 1815 clause 5.3): a store, and the open handles on it."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from drivers.dnp3.codec.files import (
    FileAck,
    FileBlock,
    FileCommand,
    FileCommandStatus,
    FileDescriptor,
    FileMode,
    FileStatus,
    FileType,
)


class FileStore(Protocol):
    """Where the files are. Methods raise FileNotFoundError or PermissionError.

    They may block: the outstation calls them one at a time, outside its event loop.
    """

    def read(self, name: str) -> bytes:
        """The content of a file; of a directory the descriptors of its entries."""

    def write(self, name: str, data: bytes) -> None:
        """Put a file there."""

    def delete(self, name: str) -> None: ...

    def describe(self, name: str) -> FileDescriptor: ...


class FolderStore:
    """Plain files of one folder, which no name can leave. max_size: octets a file may have."""

    def __init__(self, folder: Path, *, writable: bool = False, max_size: int = 1 << 20) -> None:
        self._folder = folder.resolve()
        self._writable, self._max = writable, max_size

    def _path(self, name: str) -> Path:
        if "\0" in name:
            raise PermissionError(name)
        path = (self._folder / name.lstrip("/\\").replace("\\", "/")).resolve()
        if not path.is_relative_to(self._folder):
            raise PermissionError(name)
        return path

    def read(self, name: str) -> bytes:
        path = self._path(name)
        if path.is_dir():
            return b"".join(_descriptor(entry).encode() for entry in sorted(path.iterdir()))
        if path.stat().st_size > self._max:
            raise PermissionError(name)
        return path.read_bytes()

    def write(self, name: str, data: bytes) -> None:
        if not self._writable or len(data) > self._max:
            raise PermissionError(name)
        self._path(name).write_bytes(data)

    def delete(self, name: str) -> None:
        if not self._writable:
            raise PermissionError(name)
        self._path(name).unlink()

    def describe(self, name: str) -> FileDescriptor:
        return _descriptor(self._path(name))


def _descriptor(path: Path) -> FileDescriptor:
    info = path.stat()
    folder = path.is_dir()
    return FileDescriptor(
        name=path.name,
        type=FileType.DIRECTORY if folder else FileType.FILE,
        size=sum(1 for _ in path.iterdir()) if folder else info.st_size,
        created=int(info.st_mtime * 1000),
        permissions=info.st_mode & 0o777,
    )


class _Open(Struct):
    name: str
    mode: int
    block: int
    data: bytearray
    next: int = 0


Told = FileCommandStatus | FileDescriptor


def _same(found: Any) -> Any:
    return found


class Step(Struct, frozen=True):
    """One thing to do in the store. work: may block; end: makes the answer of what it gave."""

    work: Callable[[], Any]
    end: Callable[[Any], Told] = _same


class FileHandles:
    """Open files of one master; a file being written reaches the store when it is closed."""

    MAX_OPEN = 4

    def __init__(self, store: FileStore | None, max_size: int = 1 << 20) -> None:
        self._store, self._max = store, max_size
        self._open: dict[int, _Open] = {}
        self._numbers = itertools.count(1)

    def close_all(self) -> None:
        """Forget what is open; unfinished writes are dropped."""
        self._open.clear()

    def open(self, command: FileCommand, max_block: int) -> Step:
        def end(found: tuple[FileStatus, bytes]) -> FileCommandStatus:
            return self._opened(command, max_block, *found)

        return Step(lambda: self._content(command), end)

    def _opened(
        self, command: FileCommand, max_block: int, status: FileStatus, content: bytes
    ) -> FileCommandStatus:
        if status is FileStatus.SUCCESS and len(self._open) >= self.MAX_OPEN:
            status = FileStatus.TOO_MANY_OPEN
        if status is not FileStatus.SUCCESS:
            return FileCommandStatus(handle=0, request=command.request, status=status)
        handle = next(self._numbers)
        block = max(1, min(command.block or max_block, max_block))
        data = bytearray(b"" if command.mode == FileMode.WRITE else content)
        self._open[handle] = _Open(command.name, command.mode, block, data)
        return FileCommandStatus(
            handle=handle, size=len(data), block=block, request=command.request
        )

    def _content(self, command: FileCommand) -> tuple[FileStatus, bytes]:
        if self._store is None:
            return FileStatus.PERMISSION_DENIED, b""
        if command.mode not in {FileMode.READ, FileMode.WRITE, FileMode.APPEND}:
            return FileStatus.INVALID_MODE, b""
        try:
            return FileStatus.SUCCESS, self._store.read(command.name)
        except FileNotFoundError:
            if command.mode == FileMode.READ:
                return FileStatus.NOT_FOUND, b""
            return FileStatus.SUCCESS, b""
        except OSError:
            return FileStatus.PERMISSION_DENIED, b""

    def close(self, request: FileCommandStatus, *, keep: bool = True) -> Step:
        """Close, or with keep=False abort."""
        file, store = self._open.pop(request.handle, None), self._store

        def work() -> FileCommandStatus:
            status = FileStatus.INVALID_HANDLE if file is None else FileStatus.SUCCESS
            if file is not None and keep and file.mode != FileMode.READ and store is not None:
                try:
                    store.write(file.name, bytes(file.data))
                except OSError:
                    status = FileStatus.PERMISSION_DENIED
            return FileCommandStatus(handle=request.handle, request=request.request, status=status)

        return Step(work)

    def delete(self, command: FileCommand) -> Step:
        def work() -> FileCommandStatus:
            status, _ = self._tried(lambda store: store.delete(command.name))
            return FileCommandStatus(handle=0, request=command.request, status=status)

        return Step(work)

    def describe(self, asked: FileDescriptor) -> Step:
        def work() -> Told:
            status, found = self._tried(lambda store: store.describe(asked.name))
            if isinstance(found, FileDescriptor):
                return found
            return FileCommandStatus(handle=0, request=asked.request, status=status)

        return Step(work)

    def _tried(self, work: Callable[[FileStore], Any]) -> tuple[FileStatus, Any]:
        """What the store gave, and what to tell of it."""
        if self._store is None:
            return FileStatus.PERMISSION_DENIED, None
        try:
            return FileStatus.SUCCESS, work(self._store)
        except FileNotFoundError:
            return FileStatus.NOT_FOUND, None
        except OSError:
            return FileStatus.PERMISSION_DENIED, None

    def read(self, asked: FileBlock) -> FileBlock | FileAck:
        """The block asked for; the same one again when its answer was lost."""
        file = self._open.get(asked.handle)
        if file is None or file.mode != FileMode.READ:
            status = FileStatus.INVALID_HANDLE
            return FileAck(handle=asked.handle, number=asked.number, status=status)
        if asked.number not in {file.next, file.next - 1}:
            status = FileStatus.BLOCK_SEQUENCE
            return FileAck(handle=asked.handle, number=asked.number, status=status)
        file.next = asked.number + 1
        start, end = asked.number * file.block, (asked.number + 1) * file.block
        return FileBlock(
            handle=asked.handle,
            number=asked.number,
            last=end >= len(file.data),
            data=bytes(file.data[start:end]),
        )

    def write(self, block: FileBlock) -> FileAck:
        file = self._open.get(block.handle)
        status = FileStatus.SUCCESS
        if file is None or file.mode == FileMode.READ:
            status = FileStatus.INVALID_HANDLE
        elif block.number == file.next - 1 and file.next:
            status = FileStatus.SUCCESS  # our acknowledgement was lost; the data is here
        elif block.number != file.next:
            status = FileStatus.BLOCK_SEQUENCE
        elif len(block.data) > file.block:
            status = FileStatus.WRITE_BLOCK_SIZE
        elif len(file.data) + len(block.data) > self._max:
            status = FileStatus.BUFFER_OVERRUN
        else:
            file.data += block.data
            file.next += 1
        return FileAck(handle=block.handle, number=block.number, status=status, last=block.last)
