"""Controls of a simulated IED: the four models, selection, refusals with AddCause, movement."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from drivers.iec61850 import ber
from drivers.iec61850.control import ControlModel
from drivers.iec61850.mms import data, pdu, types
from drivers.iec61850.mms.data import AccessError, Bits
from drivers.iec61850.mms.pdu import ObjectName
from simulators.iec61850_data import DENIED, NON_EXISTENT, Data, named

Send = Callable[[bytes], None]
NOT_SUPPORTED, HIERARCHY, INTERLOCK, NOT_SELECTED, LOCKED = 1, 2, 10, 18, 27
_SBO_TIMEOUT = 30.0
_OFF, _ON = Bits(1, 2), Bits(2, 2)


class Selection(Struct, frozen=True):
    client: object
    until: float


class Controls:
    """travel: seconds that a switch needs to move."""

    def __init__(self, ied: Data, travel: float) -> None:
        self._ied, self._travel = ied, travel
        self._selected: dict[ObjectName, Selection] = {}
        self._timers: set[asyncio.TimerHandle] = set()
        self._later: dict[ObjectName, asyncio.TimerHandle] = {}
        self._next: list[Callable[[], None]] = []

    def select(self, name: ObjectName, client: object) -> str:
        """Read of SBO: the reference when the object is now this client's, else nothing."""
        target = ObjectName(name.item.removesuffix("$SBO"), name.domain)
        free = self._held(target) in {None, client}
        if self._model(target) != ControlModel.SBO or not free:
            return ""
        self._hold(target, client)
        return str(name)

    def write(self, name: ObjectName, value: Any, client: object, send: Send) -> AccessError | None:
        """A write of SBOw, Oper or Cancel."""
        *path, service = name.item.split("$")
        target = ObjectName("$".join(path), name.domain)
        kind = self._ied.model.type_of(name)
        if kind is None or service not in {"SBOw", "Oper", "Cancel"}:
            return NON_EXISTENT
        try:
            order = named(kind, value)
            types.encode(kind, order)
        except ValueError:
            return AccessError(7)
        if service == "Cancel":
            self._selected.pop(target, None)
            self._call_off(target)
            return None
        refusal = self._check(target, service, order, client)
        if refusal is not None:
            self._tell(name, order, refusal, send)
            return DENIED
        if service == "SBOw":
            self._hold(target, client)
        else:
            self._selected.pop(target, None)
            self._ied.put(name, value)
            self._next.append(lambda: self._start(target, name, order, send))
        return None

    def _start(
        self, target: ObjectName, name: ObjectName, order: dict[str, Any], send: Send
    ) -> None:
        """Execute now, or when the time of a time-activated order comes."""
        due = order["operTm"].us if "operTm" in order else 0
        delay = due / 1e6 - time.time()
        if delay <= 0:
            self._execute(target, name, order, send)
            return
        loop = asyncio.get_running_loop()
        self._call_off(target)
        self._later[target] = loop.call_later(delay, self._due, target, name, order, send)

    def _due(self, target: ObjectName, name: ObjectName, order: dict[str, Any], send: Send) -> None:
        """The conditions are those of this moment."""
        del self._later[target]
        cause = self._blocked(target, order)
        if cause is None:
            self._execute(target, name, order, send)
        else:
            error = last_error(name, order, cause)
            send(_report([ObjectName("LastApplError"), name], error, self._ied.encoded(name)))

    def _call_off(self, target: ObjectName) -> None:
        timer = self._later.pop(target, None)
        if timer is not None:
            timer.cancel()

    def answered(self) -> None:
        """The answer to a write is on its way: what it started begins now."""
        started, self._next = self._next, []
        for start in started:
            start()

    def gone(self, client: object) -> None:
        self._selected = {t: s for t, s in self._selected.items() if s.client is not client}

    def close(self) -> None:
        for timer in (*self._timers, *self._later.values()):
            timer.cancel()

    def _check(
        self, target: ObjectName, service: str, order: dict[str, Any], client: object
    ) -> int | None:
        """AddCause of a refusal, or None."""
        model = self._model(target)
        if model == ControlModel.STATUS_ONLY:
            return NOT_SUPPORTED
        held = self._held(target)
        if held not in {None, client}:
            return LOCKED
        if service == "Oper" and model.selects and held is None:
            return NOT_SELECTED
        return self._blocked(target, order)

    def _blocked(self, target: ObjectName, order: dict[str, Any]) -> int | None:
        """AddCause of what the process has against it, or None."""
        node = target.item.split("$")[0]
        for each in {node, *self._breakers(target)}:
            if self._status(target, each, "Loc"):
                return HIERARCHY
            block = "BlkCls" if order["ctlVal"] is True else "BlkOpn"
            if self._status(target, each, block) and self._interlocked(order):
                return INTERLOCK
        return None

    @staticmethod
    def _interlocked(order: dict[str, Any]) -> bool:
        check = order.get("Check")
        return not isinstance(check, Bits) or check[1]

    def _status(self, target: ObjectName, node: str, name: str) -> bool:
        return self._ied.get(ObjectName(f"{node}$ST${name}$stVal", target.domain)) is True

    def _model(self, target: ObjectName) -> ControlModel:
        item = target.item.replace("$CO$", "$CF$", 1) + "$ctlModel"
        value = self._ied.get(ObjectName(item, target.domain))
        return ControlModel(value) if isinstance(value, int) else ControlModel.STATUS_ONLY

    def _held(self, target: ObjectName) -> object | None:
        found = self._selected.get(target)
        now = asyncio.get_running_loop().time()
        return found.client if found and found.until > now else None

    def _hold(self, target: ObjectName, client: object) -> None:
        until = asyncio.get_running_loop().time() + _SBO_TIMEOUT
        self._selected[target] = Selection(client, until)

    def _breakers(self, target: ObjectName) -> list[str]:
        """Breakers that a switch controller of the same logical device moves."""
        if not target.item.startswith("CSWI"):
            return []
        nodes = self._ied.model.devices[target.domain or ""].nodes
        return [node for node in nodes if node.startswith("XCBR")]

    def _execute(
        self, target: ObjectName, name: ObjectName, order: dict[str, Any], send: Send
    ) -> None:
        """Move, and end a command of enhanced security when the movement has ended."""
        inst = next(i for i, d in self._ied.inst.items() if d == target.domain)
        node, _, *path = target.item.split("$")
        references = [f"{inst}/{each}.{'.'.join(path)}" for each in (node, *self._breakers(target))]

        def end() -> None:
            for reference in references:
                self._settle(reference, order["ctlVal"])
            if self._model(target).enhanced:
                send(terminated(name, self._ied.encoded(name)))

        moving = [r for r in references if self._is_switch(r)]
        if order.get("Test") is True:
            moving = references = []
        for reference in moving:
            self._ied.set(f"{reference}.stVal", Bits(0, 2))
        if moving:
            timer = asyncio.get_running_loop().call_later(self._travel, end)
            self._timers.add(timer)
        else:
            end()

    def _is_switch(self, reference: str) -> bool:
        inst, _, rest = reference.partition("/")
        item = rest.replace(".", "$ST$", 1) + "$stVal"
        return isinstance(self._ied.get(ObjectName(item, self._ied.inst[inst])), Bits)

    def _settle(self, reference: str, value: Any) -> None:
        if self._is_switch(reference):
            self._ied.set(f"{reference}.stVal", _ON if value is True else _OFF)
        elif self._ied.has(f"{reference}.stVal"):
            self._ied.set(f"{reference}.stVal", value)
        elif isinstance(value, dict) and self._ied.has(f"{reference}.mxVal.f"):
            self._ied.set(f"{reference}.mxVal.f", value["f"])

    def _tell(self, name: ObjectName, order: dict[str, Any], cause: int, send: Send) -> None:
        send(_report([ObjectName("LastApplError")], last_error(name, order, cause)))


def last_error(name: ObjectName, order: dict[str, Any], cause: int) -> bytes:
    """The LastApplError of a control that was refused or could not be executed."""
    origin = order.get("origin", {"orCat": 0, "orIdent": b""})
    return data.structure(
        data.visible(str(name)),
        data.signed(1),
        data.structure(data.signed(origin["orCat"]), data.octets(origin["orIdent"])),
        data.unsigned(order.get("ctlNum", 0)),
        data.signed(cause),
    )


def terminated(name: ObjectName, encoded: bytes) -> bytes:
    """CommandTermination of a command that went well."""
    return _report([name], encoded)


def _report(names: list[ObjectName], *values: bytes) -> bytes:
    listed = (ber.tlv(0x30, ber.tlv(0xA0, pdu.object_name(name))) for name in names)
    return ber.tlv(0xA3, ber.tlv(0xA0, ber.tlv(0xA0, *listed), ber.tlv(0xA0, *values)))
