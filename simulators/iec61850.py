"""A simulated IED that speaks MMS, made from an SCL file: values, reports, controls."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from drivers.iec61850 import ber, scl, transport, upper
from drivers.iec61850.mms import data, pdu, services, types
from drivers.iec61850.mms.data import AccessError
from drivers.iec61850.mms.pdu import Initiate, ObjectName, Pdu
from hub import HubError, ProtocolError
from simulators.iec61850_control import Controls
from simulators.iec61850_data import DENIED, NON_EXISTENT, Data
from simulators.iec61850_process import live
from simulators.iec61850_reports import Block

FEEDER_BAY = Path(__file__).parent / "feeder_bay.icd"
_PAGE = 200
_NOT_THERE, _UNSUPPORTED, _EXISTS = (7, 2), (7, 1), (2, 5)


class Refused(Exception):
    """The request is answered with a service error of this class and code."""


def _unsupported(message: bytes, found: Pdu) -> bytes:
    raise Refused(*_UNSUPPORTED)


class SimulatedIed:
    """One IED of an SCL file. `data.set` changes the process; clients see it by read and report."""

    def __init__(self, path: Path = FEEDER_BAY, ied: str = "", *, travel: float = 0.05) -> None:
        document = scl.read(path)
        found = document.ied(ied)
        self.name = found.name
        self.data = Data(document, found)
        self.controls = Controls(self.data, travel)
        self.blocks: dict[ObjectName, Block] = {}
        for device in found.devices:
            for node in device.nodes:
                for control in node.reports:
                    fc = "BR" if control.buffered else "RP"
                    for each in control.names:
                        name = ObjectName(f"{node.name}${fc}${each}", device.domain)
                        self.blocks[name] = Block(self.data, name, control)
        self.connections: set[Connection] = set()
        self.data.on_change = self._changed

    def _changed(self, name: ObjectName, trigger: int) -> None:
        for block in self.blocks.values():
            block.changed(name, trigger)

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
        """Listen for as long as the context lasts; yields the port."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(self), host, port)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for connection in list(self.connections):
                connection.abort()
            self.controls.close()
            await asyncio.sleep(0)


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, ied: SimulatedIed) -> None:
        self._ied, self._data = ied, ied.data
        self._framer = transport.Framer()
        self._transport: asyncio.Transport | None = None
        self._tpdu_size = 8192
        self._services: dict[int, Callable[[bytes, Pdu], bytes]] = {
            pdu.STATUS: lambda *_: ber.tlv(0xA0, b"\x80\x01\x00\x81\x01\x00"),
            pdu.IDENTIFY: lambda *_: self._identify(),
            pdu.GET_NAME_LIST: self._names,
            pdu.GET_TYPE: self._type,
            pdu.READ: self._read,
            pdu.WRITE: self._write,
            pdu.GET_LIST: self._members,
            pdu.DEFINE_LIST: self._define,
            pdu.DELETE_LIST: self._delete,
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            self._ied.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ied.connections.discard(self)
        self._ied.controls.gone(self)
        for block in self._ied.blocks.values():
            block.gone(self)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            for kind, message in self._framer.feed(data):
                self._message(kind, message)
        except (HubError, IndexError):
            self.abort()

    def send(self, mms: bytes) -> None:
        self._out(upper.data(mms))

    def _out(self, message: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(transport.data(message, self._tpdu_size))

    def _message(self, kind: int, message: bytes) -> None:
        if kind == transport.CR and self._transport is not None:
            self._tpdu_size = min(transport.parse_connection(message).tpdu_size, 8192)
            confirm = transport.connect(b"\0\1", b"\0\1", self._tpdu_size, transport.CC)
            self._transport.write(confirm)
        elif message[0] == upper.CONNECT:
            _, found = upper.acse(message)
            request = pdu.parse(message, *upper.user_information(message, found))
            proposed = pdu.parse_initiate(message, request)
            agreed = Initiate(detail=min(proposed.detail, 65000), calling=5, called=5)
            self._out(upper.accept(b"\0\1", pdu.initiate(agreed, pdu.INITIATE_RESPONSE)))
        else:
            self._request(message, pdu.parse(message, *upper.unwrap(message)))

    def _request(self, message: bytes, found: Pdu) -> None:
        if found.kind == pdu.CONCLUDE_REQUEST:
            self.send(pdu.CONCLUDED)
            return
        if found.kind != pdu.REQUEST or found.invoke is None:
            raise ProtocolError("only requests are expected here")
        number = found.service if found.service is not None else -1
        service = self._services.get(number, _unsupported)
        try:
            answer = pdu.response(found.invoke, service(message, found))
        except Refused as refusal:
            answer = pdu.error(found.invoke, *refusal.args)
        self.send(answer)
        self._ied.controls.answered()

    def _identify(self) -> bytes:
        return ber.tlv(
            0xA2, ber.text(0x80, "Busbar"), ber.text(0x81, self._ied.name), ber.text(0x82, "1")
        )

    def _names(self, message: bytes, found: Pdu) -> bytes:
        parts = ber.fields(message, found.start, found.stop)
        kind = ber.to_int(message, *ber.expect(message, *parts[0xA0], 0x80, "object class"))
        tag, start, stop = ber.element(message, *parts[0xA1])
        domain = ber.to_text(message, start, stop) if tag == 0x81 else None
        names = self._all_names(kind, domain)
        if 0x82 in parts:
            after = ber.to_text(message, *parts[0x82])
            names = names[names.index(after) + 1 :] if after in names else []
        page = b"".join(ber.text(0x1A, name) for name in names[:_PAGE])
        more = b"\x81\x01\xff" if len(names) > _PAGE else b"\x81\x01\x00"
        return ber.tlv(0xA1, ber.tlv(0xA0, page), more)

    def _all_names(self, kind: int, domain: str | None) -> list[str]:
        devices = self._data.model.devices
        if domain is None:
            return list(devices) if kind == services.DOMAIN else []
        if domain not in devices:
            raise Refused(*_NOT_THERE)
        if kind == services.VARIABLE:
            return self._data.names(domain)
        return list(devices[domain].data_sets) if kind == services.VARIABLE_LIST else []

    def _type(self, message: bytes, found: Pdu) -> bytes:
        span = ber.need(ber.fields(message, found.start, found.stop), 0xA0, "variable name")
        kind = self._data.model.type_of(pdu.parse_name(message, *span))
        if kind is None:
            raise Refused(*_NOT_THERE)
        return ber.tlv(0xA6, b"\x80\x01\x00", ber.tlv(0xA2, types.specification(kind)))

    def _read(self, message: bytes, found: Pdu) -> bytes:
        span = ber.need(ber.fields(message, found.start, found.stop), 0xA1, "variables")
        name, names = services.access(message, *ber.element(message, *span))
        wanted: Sequence[ObjectName] = self._set(name) if name else names
        return ber.tlv(0xA4, ber.tlv(0xA1, *(self._value(each) for each in wanted)))

    def _value(self, name: ObjectName) -> bytes:
        if name.item.endswith("$SBO"):
            return data.visible(self._ied.controls.select(name, self))
        return self._data.encoded(name)

    def _set(self, name: ObjectName) -> Sequence[ObjectName]:
        device = self._data.model.devices.get(name.domain or "")
        if device is None or name.item not in device.data_sets:
            raise Refused(*_NOT_THERE)
        return device.data_sets[name.item]

    def _write(self, message: bytes, found: Pdu) -> bytes:
        spec = ber.element(message, found.start, found.stop)
        name, names = services.access(message, *spec)
        wanted = self._set(name) if name else names
        values = data.items(message, *ber.expect(message, spec[2], found.stop, 0xA0, "data"))
        results = [self._put(each, value) for each, value in zip(wanted, values, strict=False)]
        parts = (ber.integer(0x80, error.code) if error else b"\x81\x00" for error in results)
        return ber.tlv(0xA5, *parts)

    def _put(self, name: ObjectName, value: Any) -> AccessError | None:
        node, fc, *rest = [*name.item.split("$"), "", ""]
        path = [part for part in rest if part]
        if fc in {"BR", "RP"} and len(path) == 2:
            block = self._ied.blocks.get(ObjectName(f"{node}${fc}${path[0]}", name.domain))
            return block.write(path[1], value, self, self.send) if block else NON_EXISTENT
        if fc == "CO":
            return self._ied.controls.write(name, value, self, self.send)
        return self._data.write(name, value) if path else DENIED

    def _members(self, message: bytes, found: Pdu) -> bytes:
        members = self._set(pdu.parse_name(message, found.start, found.stop))
        listed = (ber.tlv(0x30, ber.tlv(0xA0, pdu.object_name(each))) for each in members)
        return ber.tlv(0xAC, b"\x80\x01\xff", ber.tlv(0xA1, *listed))

    def _define(self, message: bytes, found: Pdu) -> bytes:
        name = pdu.parse_name(message, found.start, found.stop)
        behind = ber.element(message, found.start, found.stop)[2]
        span = ber.expect(message, behind, found.stop, 0xA0, "list of variables")
        members = services.members_of(message, *span)
        device = self._data.model.devices.get(name.domain or "")
        if device is None or any(self._data.model.type_of(each) is None for each in members):
            raise Refused(*_NOT_THERE)
        if name.item in device.data_sets:
            raise Refused(*_EXISTS)
        device.data_sets[name.item] = tuple(members)
        return b"\xab\x00"

    def _delete(self, message: bytes, found: Pdu) -> bytes:
        span = ber.need(ber.fields(message, found.start, found.stop), 0xA1, "list names")
        name = pdu.parse_name(message, *span)
        self._set(name)
        used = any(block.values["DatSet"] == str(name) for block in self._ied.blocks.values())
        if not used:
            del self._data.model.devices[name.domain or ""].data_sets[name.item]
        return ber.tlv(0xAD, b"\x80\x01\x01", ber.integer(0x81, 0 if used else 1))


async def run(ied: SimulatedIed, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve with moving values until cancelled."""
    async with ied.serve(host, port) as bound:
        say(f"{ied.name} listens on {host}:{bound}")
        await live(ied.data)
