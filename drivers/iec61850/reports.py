"""Reports (IEC 61850-7-2 §17, 8-1 §17): control blocks, their enabling, what they send."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, structs

from hub import ProtocolError

from .client import Client
from .mms import data, types
from .mms.data import AccessError, BinaryTime, Bits
from .mms.pdu import ObjectName, ServiceError
from .mms.types import Type

SEQUENCE, TIME, REASON, DATA_SET, REFERENCE, OVERFLOW, ENTRY, REVISION, SEGMENT = range(1, 10)
DATA_CHANGE, QUALITY_CHANGE, DATA_UPDATE, INTEGRITY, INTERROGATION = range(1, 6)
WHOLE_BUFFER = bytes(8)
REASONS = ("", "data-change", "quality-change", "data-update", "integrity", "gi", "application")


class Report(Struct, frozen=True, kw_only=True):
    """One report, or one segment of one. included: positions of the values in the data set.

    time: µs of the entry by the device's clock. entry: what a buffered block resumes behind.
    """

    report_id: str
    included: tuple[int, ...]
    values: list[Any]
    references: tuple[str, ...] = ()
    reasons: tuple[Bits, ...] = ()
    sequence: int | None = None
    time: int | None = None
    data_set: str | None = None
    overflow: bool = False
    entry: bytes | None = None
    revision: int | None = None
    segment: int = 0
    more: bool = False


class _Values:
    """Takes the parts of a report one by one."""

    def __init__(self, values: Sequence[Any]) -> None:
        self._values, self._next = values, 0

    def take(self, kind: type | tuple[type, ...], what: str) -> Any:
        if self._next >= len(self._values):
            raise ProtocolError(f"report ends before its {what}")
        value = self._values[self._next]
        self._next += 1
        if not isinstance(value, kind):
            raise ProtocolError(f"report has {type(value).__name__} for its {what}")
        return value

    def rest(self) -> int:
        return len(self._values) - self._next


def decode(values: Sequence[Any]) -> Report:
    """A report from the access results of an information report named `RPT`."""
    parts = _Values(values)
    report_id = parts.take(str, "identifier")
    options = parts.take(Bits, "optional fields")
    sequence = parts.take(int, "sequence number") if options[SEQUENCE] else None
    time = parts.take(BinaryTime, "time of entry").us if options[TIME] else None
    data_set = parts.take(str, "data set") if options[DATA_SET] else None
    overflow = parts.take(bool, "overflow flag") if options[OVERFLOW] else False
    entry = parts.take(bytes, "entry id") if options[ENTRY] else None
    revision = parts.take(int, "revision") if options[REVISION] else None
    segment = parts.take(int, "segment number") if options[SEGMENT] else 0
    more = parts.take(bool, "more-segments flag") if options[SEGMENT] else False
    inclusion = parts.take(Bits, "inclusion bits")
    included = tuple(n for n in range(inclusion.size) if inclusion[n])
    count = len(included)
    references = tuple(
        parts.take(str, "data reference") for _ in range(count if options[REFERENCE] else 0)
    )
    members = [parts.take(object, "value") for _ in included]
    reasons = tuple(parts.take(Bits, "reason") for _ in range(count if options[REASON] else 0))
    if parts.rest():
        raise ProtocolError(f"report has {parts.rest()} values too many")
    return Report(
        report_id=report_id,
        included=included,
        values=members,
        references=references,
        reasons=reasons,
        sequence=sequence,
        time=time,
        data_set=data_set,
        overflow=overflow,
        entry=entry,
        revision=revision,
        segment=segment,
        more=more,
    )


class Wish(Struct, frozen=True, kw_only=True):
    """How a control block shall work.

    entry: resume behind it (buffered blocks); WHOLE_BUFFER asks for all that the device still has.
    data_set: `LD/LN$name`, empty to take the block's own.
    """

    data_set: str = ""
    triggers: frozenset[int] = frozenset({DATA_CHANGE, QUALITY_CHANGE, INTERROGATION})
    integrity_ms: int = 0
    buffer_ms: int | None = None
    gi: bool = True
    entry: bytes | None = None
    reserve_s: int = 60


class Block(Struct, frozen=True, kw_only=True):
    """State of a control block as read from the device.

    resumed: whether it goes on behind the entry that was wished.
    """

    name: ObjectName
    type: Type
    values: dict[str, Any]
    resumed: bool = True

    @property
    def buffered(self) -> bool:
        return "$BR$" in self.name.item

    @property
    def data_set(self) -> str:
        return str(self.values.get("DatSet") or "")

    @property
    def report_id(self) -> str:
        """What its reports are called: RptID, or the reference of the block without one."""
        return str(self.values.get("RptID") or "") or str(self.name)

    @property
    def enabled(self) -> bool:
        return bool(self.values.get("RptEna"))

    @property
    def taken(self) -> bool:
        """Whether another client has it."""
        return self.enabled or bool(self.values.get("Resv"))


async def read_block(client: Client, name: ObjectName, kind: Type) -> Block:
    """The block's attributes one by one: what the device does not have of them is left out."""
    asked = [ObjectName(f"{name.item}${field}", name.domain) for field in kind.fields]
    values = zip(kind.fields, await client.read(asked), strict=True)
    found = {field: value for field, value in values if not isinstance(value, AccessError)}
    fields = {field: part for field, part in kind.fields.items() if field in found}
    return Block(name=name, type=Type(kind.kind, fields=fields), values=found)


async def enable(client: Client, block: Block, wish: Wish) -> Block:
    """Reserve, set up and enable a block; its first interrogation is asked for when wished.

    Returns the block as the device then has it. Raises ServiceError naming the field refused.
    """
    setter = _Setter(client, block)
    if block.enabled:
        await setter.put("RptEna", False)
    await _reserve(setter, wish)
    if wish.data_set and wish.data_set != block.data_set:
        await setter.put("DatSet", wish.data_set)
    options = [SEQUENCE, TIME, REASON, DATA_SET, REVISION]
    options += [OVERFLOW, ENTRY] if block.buffered else []
    await setter.put("OptFlds", Bits.of(*(n in options for n in range(10))), optional=True)
    triggers = set(wish.triggers) | ({INTEGRITY} if wish.integrity_ms else set())
    await setter.put("TrgOps", Bits.of(*(n in triggers for n in range(6))), optional=True)
    await setter.put("IntgPd", wish.integrity_ms, optional=True)
    if wish.buffer_ms is not None:
        await setter.put("BufTm", wish.buffer_ms, optional=True)
    resumed = await _resume(setter, wish)
    fresh = structs.replace(await read_block(client, block.name, block.type), resumed=resumed)
    await setter.put("RptEna", True)
    if wish.gi and INTERROGATION in triggers:
        await setter.put("GI", True, optional=True)
    return fresh


async def _reserve(setter: "_Setter", wish: Wish) -> None:
    if "Resv" in setter.block.type.fields:
        await setter.put("Resv", True)
    elif "ResvTms" in setter.block.type.fields:
        await setter.put("ResvTms", wish.reserve_s, optional=True)


async def _resume(setter: "_Setter", wish: Wish) -> bool:
    """Go on behind the entry; one that the device no longer has means all that it still has."""
    if not setter.block.buffered or wish.entry is None:
        return True
    if await setter.put("EntryID", wish.entry, optional=True) or wish.entry == WHOLE_BUFFER:
        return True
    await setter.put("EntryID", WHOLE_BUFFER, optional=True)
    return False


async def interrogate(client: Client, block: Block) -> None:
    """Ask for all values of the block's data set."""
    await _Setter(client, block).put("GI", True)


async def disable(client: Client, block: Block) -> None:
    setter = _Setter(client, block)
    await setter.put("RptEna", False)
    if "Resv" in block.type.fields:
        await setter.put("Resv", False, optional=True)


class _Setter:
    """Writes one attribute of a block at a time, so that a refusal names it."""

    def __init__(self, client: Client, block: Block) -> None:
        self.block = block
        self._client = client

    async def put(self, attribute: str, value: Any, *, optional: bool = False) -> bool:
        """Whether the device took it; what the block does not have is nothing to refuse."""
        kind = self.block.type.fields.get(attribute)
        if kind is None:
            return True
        if kind.kind == data.BIT_STRING and isinstance(value, Bits) and kind.size > 0:
            value = Bits(value.value >> max(0, value.size - kind.size), min(value.size, kind.size))
        name = ObjectName(f"{self.block.name.item}${attribute}", self.block.name.domain)
        try:
            await self._client.write_one(name, types.encode(kind, value))
        except ServiceError as error:
            if not optional:
                raise ServiceError(f"report control {error}") from None
            return False
        return True


def free_name(reference: str) -> str:
    """`LD/LN.name` or `LD/LN$name` as the device writes data sets: with `$`."""
    return reference.replace(".", "$")
