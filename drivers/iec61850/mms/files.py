"""MMS file services (ISO 9506-2 annex D)."""

import datetime as dt

from msgspec import Struct

from drivers.iec61850 import ber
from hub import ProtocolError


class FileEntry(Struct, frozen=True):
    """size: octets. modified: None when the device gives no usable time."""

    name: str
    size: int
    modified: dt.datetime | None = None


def _name(name: str) -> bytes:
    return ber.text(0x19, name)


def open_file(name: str, position: int = 0) -> bytes:
    return ber.tlv(0xBF48, ber.tlv(0xA0, _name(name)), ber.integer(0x81, position))


def open_response(buf: bytes, start: int, stop: int) -> tuple[int, int]:
    """(handle, size of the file)."""
    found = ber.fields(buf, start, stop)
    handle = ber.to_int(buf, *ber.need(found, 0x80, "file handle"))
    entry = ber.fields(buf, *ber.need(found, 0xA1, "file attributes"))
    return handle, ber.to_int(buf, *ber.need(entry, 0x80, "file size"))


def read_file(handle: int) -> bytes:
    return ber.integer(0x9F49, handle)


def read_response(buf: bytes, start: int, stop: int) -> tuple[bytes, bool]:
    """(octets, whether more follow)."""
    found = ber.fields(buf, start, stop)
    first, last = ber.need(found, 0x80, "file data")
    more = found.get(0x81)
    return buf[first:last], ber.to_bool(buf, *more) if more else True


def close_file(handle: int) -> bytes:
    return ber.integer(0x9F4A, handle)


def delete_file(name: str) -> bytes:
    return ber.tlv(0xBF4C, _name(name))


def directory(path: str = "", after: str | None = None) -> bytes:
    """Entries below `path`; empty names the root."""
    parts = [ber.tlv(0xA0, _name(path))] if path else []
    if after is not None:
        parts.append(ber.tlv(0xA1, _name(after)))
    return ber.tlv(0xBF4D, *parts)


def directory_response(buf: bytes, start: int, stop: int) -> tuple[list[FileEntry], bool]:
    """(entries, whether more follow)."""
    found = ber.fields(buf, start, stop)
    first, last = ber.need(found, 0xA0, "list of directory entries")
    if first < last and buf[first] == 0x30:
        # The list is EXPLICIT in one edition and IMPLICIT in the other: look one level deeper.
        _, inner, end = ber.element(buf, first, last)
        if inner == end or buf[inner] == 0x30:
            first, last = inner, end
    entries = [_entry(buf, a, b) for _, a, b in ber.elements(buf, first, last)]
    more = found.get(0x81)
    return entries, bool(more) and ber.to_bool(buf, *ber.need(found, 0x81, "more follows"))


def _entry(buf: bytes, start: int, stop: int) -> FileEntry:
    found = ber.fields(buf, start, stop)
    name = "".join(
        ber.to_text(buf, a, b) for _, a, b in ber.elements(buf, *ber.need(found, 0xA0, "file name"))
    )
    entry = ber.fields(buf, *ber.need(found, 0xA1, "file attributes"))
    size = ber.to_int(buf, *ber.need(entry, 0x80, "file size"))
    stamp = entry.get(0x81)
    return FileEntry(name, size, generalized_time(ber.to_text(buf, *stamp)) if stamp else None)


def generalized_time(text: str) -> dt.datetime | None:
    """`20240221T…` forms of GeneralizedTime, always UTC in IEC 61850."""
    digits = text.rstrip("Z").split(".")[0]
    try:
        return dt.datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=dt.UTC)
    except ValueError:
        return None


def safe_name(name: str) -> str:
    """A device's file name as one that stays inside a folder of ours."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in {"", ".", ".."}]
    if not parts or any("\0" in part for part in parts):
        raise ProtocolError(f"file name {name!r} of the device cannot be used here")
    return "/".join(parts)
