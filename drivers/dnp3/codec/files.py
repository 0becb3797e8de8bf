"""File objects (group 70, IEEE 1815 annex A.25), each carried under qualifier 0x5B."""

import enum
import struct

from msgspec import Struct

from hub import ProtocolError

LAST_BLOCK = 0x80000000


class FileMode(enum.IntEnum):
    DELETE = 0
    READ = 1
    WRITE = 2
    APPEND = 3


class FileStatus(enum.IntEnum):
    """Status codes of a file operation."""

    SUCCESS = 0
    PERMISSION_DENIED = 1
    INVALID_MODE = 2
    NOT_FOUND = 3
    LOCKED = 4
    TOO_MANY_OPEN = 5
    INVALID_HANDLE = 6
    WRITE_BLOCK_SIZE = 7
    COMM_LOST = 8
    CANNOT_ABORT = 9
    NOT_OPENED = 16
    HANDLE_EXPIRED = 17
    BUFFER_OVERRUN = 18
    FATAL = 19
    BLOCK_SEQUENCE = 20
    UNDEFINED = 255


class FileType(enum.IntEnum):
    DIRECTORY = 0
    FILE = 1


def _cut(layout: struct.Struct, data: bytes, what: str) -> tuple[int, ...]:
    if len(data) < layout.size:
        raise ProtocolError(f"{what} of {len(data)} octets, at least {layout.size} are needed")
    return layout.unpack_from(data)


def _time(low: int, high: int) -> int:
    return low | high << 32


def _named(data: bytes, offset: int, size: int, fixed: int) -> str:
    """The name at `offset`; a device that writes nonsense there has it behind the fixed part."""
    if offset < fixed or offset + size > len(data):
        if fixed + size > len(data):
            raise ProtocolError(f"file name of {size} octets outside its object")
        offset = fixed
    return data[offset : offset + size].decode("utf-8", "replace")


_AUTHENTICATION = struct.Struct("<HHHHI")
_COMMAND = struct.Struct("<HHIHHIIHHH")
_STATUS = struct.Struct("<IIHHB")
_BLOCK = struct.Struct("<II")
_ACK = struct.Struct("<IIB")
_DESCRIPTOR = struct.Struct("<HHHIIHHH")


class FileAuthentication(Struct, frozen=True, kw_only=True):
    """g70v2: user and password asked, `key` answered."""

    user: str = ""
    password: str = ""
    key: int = 0

    @classmethod
    def parse(cls, data: bytes) -> "FileAuthentication":
        user_at, user_size, word_at, word_size, key = _cut(_AUTHENTICATION, data, "g70v2")
        fixed = _AUTHENTICATION.size
        user = _named(data, user_at, user_size, fixed)
        return cls(user=user, password=_named(data, word_at, word_size, fixed + user_size), key=key)

    def encode(self) -> bytes:
        user, word = self.user.encode(), self.password.encode()
        at = _AUTHENTICATION.size
        head = _AUTHENTICATION.pack(at, len(user), at + len(user), len(word), self.key)
        return head + user + word


class FileCommand(Struct, frozen=True, kw_only=True):
    """g70v3: open or delete a file. created: ms since 1970 UTC."""

    name: str
    mode: int = FileMode.READ
    size: int = 0
    block: int = 1024
    request: int = 0
    key: int = 0
    permissions: int = 0o777
    created: int = 0

    @classmethod
    def parse(cls, data: bytes) -> "FileCommand":
        at, length, low, high, permissions, key, size, mode, block, request = _cut(
            _COMMAND, data, "g70v3"
        )
        return cls(
            name=_named(data, at, length, _COMMAND.size),
            mode=mode,
            size=size,
            block=block,
            request=request,
            key=key,
            permissions=permissions,
            created=_time(low, high),
        )

    def encode(self) -> bytes:
        name = self.name.encode()
        return (
            _COMMAND.pack(
                _COMMAND.size,
                len(name),
                self.created & 0xFFFFFFFF,
                self.created >> 32,
                self.permissions,
                self.key,
                self.size,
                self.mode,
                self.block,
                self.request,
            )
            + name
        )


class FileCommandStatus(Struct, frozen=True, kw_only=True):
    """g70v4: the answer to open, close, delete and abort."""

    handle: int
    size: int = 0
    block: int = 0
    request: int = 0
    status: int = FileStatus.SUCCESS

    @classmethod
    def parse(cls, data: bytes) -> "FileCommandStatus":
        handle, size, block, request, status = _cut(_STATUS, data, "g70v4")
        return cls(handle=handle, size=size, block=block, request=request, status=status)

    def encode(self) -> bytes:
        return _STATUS.pack(self.handle, self.size, self.block, self.request, self.status)


class FileBlock(Struct, frozen=True, kw_only=True):
    """g70v5: one block of a file, or the request for it."""

    handle: int
    number: int
    last: bool = False
    data: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> "FileBlock":
        handle, number = _cut(_BLOCK, data, "g70v5")
        return cls(
            handle=handle,
            number=number & ~LAST_BLOCK,
            last=bool(number & LAST_BLOCK),
            data=data[_BLOCK.size :],
        )

    def encode(self) -> bytes:
        return _BLOCK.pack(self.handle, self.number | (LAST_BLOCK if self.last else 0)) + self.data


class FileAck(Struct, frozen=True, kw_only=True):
    """g70v6: how the transfer of one block went."""

    handle: int
    number: int
    status: int = FileStatus.SUCCESS
    last: bool = False

    @classmethod
    def parse(cls, data: bytes) -> "FileAck":
        handle, number, status = _cut(_ACK, data, "g70v6")
        last = bool(number & LAST_BLOCK)
        return cls(handle=handle, number=number & ~LAST_BLOCK, status=status, last=last)

    def encode(self) -> bytes:
        number = self.number | (LAST_BLOCK if self.last else 0)
        return _ACK.pack(self.handle, number, self.status)


class FileDescriptor(Struct, frozen=True, kw_only=True):
    """g70v7: an entry of a directory. created: ms since 1970 UTC."""

    name: str
    type: int = FileType.FILE
    size: int = 0
    created: int = 0
    permissions: int = 0o444
    request: int = 0

    @classmethod
    def parse(cls, data: bytes) -> "FileDescriptor":
        return cls.take(data)[0]

    @classmethod
    def take(cls, data: bytes) -> "tuple[FileDescriptor, bytes]":
        """The first entry of a directory's content, and what follows it."""
        at, length, kind, size, low, high, permissions, request = _cut(_DESCRIPTOR, data, "g70v7")
        entry = cls(
            name=_named(data, at, length, _DESCRIPTOR.size),
            type=kind,
            size=size,
            created=_time(low, high),
            permissions=permissions,
            request=request,
        )
        return entry, data[_DESCRIPTOR.size + length :]

    def encode(self) -> bytes:
        name = self.name.encode()
        return (
            _DESCRIPTOR.pack(
                _DESCRIPTOR.size,
                len(name),
                self.type,
                self.size,
                self.created & 0xFFFFFFFF,
                self.created >> 32,
                self.permissions,
                self.request,
            )
            + name
        )


FileObject = (
    FileAuthentication | FileCommand | FileCommandStatus | FileBlock | FileAck | FileDescriptor
)
_KINDS: dict[int, type[FileObject]] = {
    2: FileAuthentication,
    3: FileCommand,
    4: FileCommandStatus,
    5: FileBlock,
    6: FileAck,
    7: FileDescriptor,
}


def parse(number: int, data: bytes) -> FileObject | None:
    """A file object of that variation; None for those without a structure of their own."""
    kind = _KINDS.get(number)
    return kind.parse(data) if kind else None
