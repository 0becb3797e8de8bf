"""What one asks of an IED: names, types, values, data sets, files. MMS names, no model."""

from collections.abc import AsyncIterator, Sequence

from hub import ProtocolError

from .association import Association
from .mms import files, journal, services
from .mms.data import AccessError, Value
from .mms.files import FileEntry
from .mms.journal import LogEntry
from .mms.pdu import ObjectName, ServiceError
from .mms.services import Identity
from .mms.types import Type

_NAME_OVERHEAD = 12
_ANSWER_ESTIMATE = 24


class Client:
    """The services of MMS that IEC 61850-8-1 maps to, over one association."""

    def __init__(self, association: Association) -> None:
        self.association = association

    async def identify(self) -> Identity:
        return services.identify_response(*await self.association.request(services.IDENTIFY))

    async def status(self) -> tuple[int, int]:
        return services.status_response(*await self.association.request(services.STATUS))

    async def names(self, kind: int, domain: str | None = None) -> list[str]:
        """All names of a kind, however many answers it takes."""
        out: list[str] = []
        after = None
        while True:
            request = services.get_name_list(kind, domain, after)
            names, more = services.name_list_response(*await self.association.request(request))
            out += names
            if not more or not names:
                return out
            if names[-1] == after:
                raise ProtocolError(f"the device repeats its list of names after {after!r}")
            after = names[-1]

    async def domains(self) -> list[str]:
        """Names of the logical devices."""
        return await self.names(services.DOMAIN)

    async def variables(self, domain: str) -> list[str]:
        return await self.names(services.VARIABLE, domain)

    async def data_sets(self, domain: str) -> list[str]:
        return await self.names(services.VARIABLE_LIST, domain)

    async def journals(self, domain: str) -> list[str]:
        return await self.names(services.JOURNAL, domain)

    async def type_of(self, name: ObjectName) -> Type:
        return services.type_response(*await self.association.request(services.get_type(name)))

    async def read(self, names: Sequence[ObjectName]) -> list[Value]:
        """One value, or AccessError, for each name, in as few requests as the PDU size allows.

        A group that the device refuses as a whole (its answer would be too long) is halved.
        """
        out: list[Value] = []
        for group in self._groups(names):
            out += await self._read_group(group)
        return out

    async def _read_group(self, names: Sequence[ObjectName]) -> list[Value]:
        try:
            answer = await self.association.request(services.read(names))
        except ServiceError:
            if len(names) == 1:
                raise
            half = len(names) // 2
            return await self._read_group(names[:half]) + await self._read_group(names[half:])
        values = services.read_response(*answer)
        if len(values) != len(names):
            raise ProtocolError(f"{len(values)} values for {len(names)} names")
        return values

    def _groups(self, names: Sequence[ObjectName]) -> list[list[ObjectName]]:
        groups: list[list[ObjectName]] = [[]]
        room = limit = self.association.limits.detail - 64
        for name in names:
            size = len(name.item) + len(name.domain or "") + _NAME_OVERHEAD
            size = max(size, _ANSWER_ESTIMATE)
            if size > room and groups[-1]:
                groups.append([])
                room = limit
            groups[-1].append(name)
            room -= size
        return groups if names else []

    async def read_one(self, name: ObjectName) -> Value:
        """The value of one variable. Raises ServiceError when the device has none to give."""
        (value,) = await self._read_group([name])
        if isinstance(value, AccessError):
            raise ServiceError(f"{name}: {value}", 7, value.code)
        return value

    async def write(
        self, names: Sequence[ObjectName], values: Sequence[bytes]
    ) -> list[AccessError | None]:
        """Write encoded values; None for each that the device took."""
        answer = await self.association.request(services.write(names, values))
        results = services.write_response(*answer)
        if len(results) != len(names):
            raise ProtocolError(f"{len(results)} results for {len(names)} values")
        return results

    async def write_one(self, name: ObjectName, value: bytes) -> None:
        """Raises ServiceError when the device does not take the value."""
        (error,) = await self.write([name], [value])
        if error is not None:
            raise ServiceError(f"{name}: {error}", 7, error.code)

    async def read_data_set(self, name: ObjectName) -> list[Value]:
        return services.read_response(*await self.association.request(services.read_list(name)))

    async def members(self, name: ObjectName) -> tuple[list[ObjectName], bool]:
        """(members of a data set, whether a client may delete it)."""
        return services.list_response(*await self.association.request(services.get_list(name)))

    async def define_data_set(self, name: ObjectName, members: Sequence[ObjectName]) -> None:
        await self.association.request(services.define_list(name, members))

    async def delete_data_set(self, name: ObjectName) -> bool:
        """Whether it is gone."""
        answer = await self.association.request(services.delete_list(name))
        return services.delete_response(*answer)[1] == 1

    async def log(
        self, name: ObjectName, start: int, stop: int, limit: int = 10_000
    ) -> list[LogEntry]:
        """Entries of a log (`LLN0$EventLog`) in [start, stop], µs since 1970; at most `limit`."""
        answer = await self.association.request(journal.read(name, start, stop))
        entries, more = journal.response(*answer)
        while more and entries and len(entries) < limit and entries[-1].time is not None:
            after = entries[-1].time, entries[-1].id
            answer = await self.association.request(journal.read(name, None, stop, after))
            page, more = journal.response(*answer)
            if not page:
                break
            entries += page
        return entries[:limit]

    async def files(self, path: str = "") -> list[FileEntry]:
        """Entries of a directory of the device, however many answers it takes."""
        out: list[FileEntry] = []
        after = None
        while True:
            answer = await self.association.request(files.directory(path, after))
            entries, more = files.directory_response(*answer)
            out += entries
            if not more or not entries:
                return out
            if entries[-1].name == after:
                raise ProtocolError(f"the device repeats its directory after {after!r}")
            after = entries[-1].name

    async def download(self, name: str, limit: int = 64 << 20) -> AsyncIterator[bytes]:
        """A file in pieces. Raises ProtocolError above `limit` octets."""
        answer = await self.association.request(files.open_file(name))
        handle, _ = files.open_response(*answer)
        try:
            total, more = 0, True
            while more:
                answer = await self.association.request(files.read_file(handle))
                piece, more = files.read_response(*answer)
                total += len(piece)
                if total > limit or (more and not piece):
                    raise ProtocolError(f"file {name!r} goes on after {total} octets")
                yield piece
        finally:
            if self.association.alive:
                await self.association.request(files.close_file(handle))

    async def delete_file(self, name: str) -> None:
        await self.association.request(files.delete_file(name))
