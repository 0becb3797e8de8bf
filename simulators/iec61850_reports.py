"""Report control blocks of a simulated IED: triggers, buffers, EntryID, interrogation."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from drivers.iec61850 import ber
from drivers.iec61850.mms import data
from drivers.iec61850.mms.data import AccessError, BinaryTime, Bits
from drivers.iec61850.mms.pdu import ObjectName
from drivers.iec61850.reports import (
    DATA_SET,
    ENTRY,
    INTEGRITY,
    INTERROGATION,
    OVERFLOW,
    REASON,
    REVISION,
    SEQUENCE,
    TIME,
)
from drivers.iec61850.scl.document import ReportControl
from simulators.iec61850_data import DENIED, INVALID_VALUE, Data

Send = Callable[[bytes], None]
_TRIGGERS = {"dchg": 1, "qchg": 2, "dupd": 3, "period": 4, "gi": 5}
_CAPACITY = 1000


class Entry(Struct, frozen=True):
    """One report as it happened, its values encoded then."""

    number: int
    time: int
    included: tuple[int, ...]
    values: list[bytes]
    reason: int

    @property
    def id(self) -> bytes:
        return self.number.to_bytes(8, "big")


class Block:
    """One report control block. Its attributes live in the data, where clients read them."""

    def __init__(self, ied: Data, name: ObjectName, control: ReportControl) -> None:
        self.name, self.buffered = name, control.buffered
        self._ied = ied
        self._client: object | None = None
        self._send: Send | None = None
        self._entries: deque[Entry] = deque(maxlen=_CAPACITY)
        self._next, self._sent, self._overflow = 1, 0, False
        self._timer: asyncio.TimerHandle | None = None
        domain, node = name.domain, name.item.split("$")[0]
        set_name = f"{domain}/{node}${control.data_set}" if control.data_set else ""
        self.values: dict[str, Any] = ied.get(name)
        self.values.update(
            RptID=control.report_id,
            DatSet=set_name,
            ConfRev=control.revision,
            IntgPd=control.integrity_ms,
            BufTm=control.buffer_ms,
            TrgOps=Bits.of(*(n in {_TRIGGERS[t] for t in control.triggers} for n in range(6))),
        )

    @property
    def newest(self) -> bytes:
        """EntryID of what happened last."""
        return (self._next - 1).to_bytes(8, "big")

    @property
    def members(self) -> Sequence[ObjectName]:
        domain, _, item = self.values["DatSet"].partition("/")
        device = self._ied.model.devices.get(domain)
        return device.data_sets.get(item, ()) if device else ()

    def write(self, attribute: str, value: Any, client: object, send: Send) -> AccessError | None:
        """One attribute set by a client; most only while the block is idle."""
        if self._client not in {None, client}:
            return AccessError(2)
        if attribute == "RptEna":
            return self._enable(bool(value), client, send)
        if attribute == "GI":
            return self._interrogate(INTERROGATION) if self.values["RptEna"] else DENIED
        if attribute == "Resv":
            self._client = client if value else None
        elif self.values["RptEna"]:
            return AccessError(2)
        return self._set(attribute, value)

    def _set(self, attribute: str, value: Any) -> AccessError | None:
        if attribute == "EntryID":
            return self._resume(bytes(value))
        if attribute == "PurgeBuf" and value:
            self._entries.clear()
            return None
        name = ObjectName(f"{self.name.item}${attribute}", self.name.domain)
        return self._ied.put(name, value)

    def _enable(self, on: bool, client: object, send: Send) -> AccessError | None:
        if on and not self.members:
            return AccessError(2)
        self.values["RptEna"] = on
        self._client, self._send = (client, send) if on else (None, None)
        if not on:
            self._stop_timer()
            return None
        if self.buffered:
            for entry in [e for e in self._entries if e.number > self._sent]:
                self._transmit(entry)
        self._start_timer()
        return None

    def _resume(self, entry: bytes) -> AccessError | None:
        number = int.from_bytes(entry, "big")
        oldest = self._entries[0].number if self._entries else self._next
        if number and not oldest - 1 <= number < self._next:
            return INVALID_VALUE
        self._sent = number
        return None

    def gone(self, client: object) -> None:
        """A client's connection has ended: its block is free, a buffered one goes on collecting."""
        if self._client is client:
            self._client = self._send = None
            self.values["RptEna"] = False
            if "Resv" in self.values:
                self.values["Resv"] = False
            self._stop_timer()

    def changed(self, name: ObjectName, trigger: int) -> None:
        """A process value changed; whoever has it in his data set is told."""
        if not self.values["TrgOps"][trigger]:
            return
        hit = tuple(
            n
            for n, member in enumerate(self.members)
            if member.domain == name.domain and f"{name.item}$".startswith(f"{member.item}$")
        )
        if hit:
            self._report(hit, trigger)

    def _interrogate(self, reason: int) -> AccessError | None:
        self._report(tuple(range(len(self.members))), reason)
        return None

    def _report(self, included: tuple[int, ...], reason: int) -> None:
        if not self.buffered and self._send is None:
            return
        members = self.members
        values = [self._ied.encoded(members[n]) for n in included]
        entry = Entry(self._next, time.time_ns() // 1000, included, values, reason)
        self._next += 1
        if self.buffered and reason != INTERROGATION:
            self._overflow |= len(self._entries) == _CAPACITY
            self._entries.append(entry)
        if self._send is not None:
            self._transmit(entry)

    def _transmit(self, entry: Entry) -> None:
        if self._send is None:
            return
        self._sent = entry.number
        if self.buffered:
            self.values["EntryID"] = entry.id
        self._send(ber.tlv(0xA3, ber.tlv(0xA0, b"\xa1\x05\x80\x03RPT", self._body(entry))))
        self.values["SqNum"] = (self.values["SqNum"] + 1) & (0xFFFF if self.buffered else 0xFF)
        self._overflow = False

    def _body(self, entry: Entry) -> bytes:
        wanted = self.values["OptFlds"]
        shown = [wanted[n] and (self.buffered or n not in {OVERFLOW, ENTRY}) for n in range(10)]
        shown[5] = shown[9] = False  # no data references, no segments
        parts = [data.visible(self.values["RptID"] or str(self.name)), data.bits(Bits.of(*shown))]
        optional = {
            SEQUENCE: lambda: data.unsigned(self.values["SqNum"]),
            TIME: lambda: data.binary_time(BinaryTime.at(entry.time)),
            DATA_SET: lambda: data.visible(self.values["DatSet"]),
            OVERFLOW: lambda: data.boolean(self._overflow),
            ENTRY: lambda: data.octets(entry.id),
            REVISION: lambda: data.unsigned(self.values["ConfRev"]),
        }
        order = (SEQUENCE, TIME, DATA_SET, OVERFLOW, ENTRY, REVISION)
        parts += [optional[n]() for n in order if shown[n]]
        parts.append(data.bits(Bits.of(*(n in entry.included for n in range(len(self.members))))))
        parts += entry.values
        if shown[REASON]:
            reason = data.bits(Bits.of(*(n == entry.reason for n in range(6))))
            parts += [reason] * len(entry.included)
        return ber.tlv(0xA0, *parts)

    def _start_timer(self) -> None:
        self._stop_timer()
        period = self.values["IntgPd"]
        if period and self.values["TrgOps"][INTEGRITY]:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(period / 1000, self._integrity)

    def _integrity(self) -> None:
        self._interrogate(INTEGRITY)
        self._start_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
