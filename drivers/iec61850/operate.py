"""A command of the hub as a control of the device."""

from collections.abc import Callable, Mapping
from typing import Any

from hub import Command, Kind, Outcome, ProtocolError, Result

from .config import Iec61850
from .control import ControlModel, Order, Origin
from .ied import Ied
from .mms import data, types
from .mms.pdu import ObjectName, ServiceError
from .mms.types import Type
from .model import descend

SETTINGS = {"SP", "CF"}
_WORDS: Mapping[str, float] = {
    "on": 1, "close": 1, "closed": 1, "true": 1,
    "off": 0, "open": 0, "opened": 0, "false": 0,
}  # fmt: skip


class Operator:
    """Finds the control object of a point and sends it the order."""

    def __init__(self, config: Iec61850, ied: Ied, now: Callable[[], int]) -> None:
        self._config, self._ied, self._now = config, ied, now
        self._selected: dict[int, Order] = {}
        self._timed: dict[int, Order] = {}

    async def select(self, command: Command) -> Result:
        """Reserve the object when its model knows selection; else say that it needs none."""
        if late := self._late(command):
            return late
        if command.point.address.fc in SETTINGS:
            return Result(outcome=Outcome.DONE, detail="a setting needs no selection")
        found = await self._prepare(command)
        if isinstance(found, Result):
            return found
        target, kind, model, order = found
        if not model.selects:
            return Result(outcome=Outcome.DONE, detail="the device needs no selection")
        result = await self._ied.controls.select(target, kind, model, order)
        if result.outcome == Outcome.DONE:
            self._selected[command.point.id] = order
        return result

    async def operate(self, command: Command) -> Result:
        """Execute; an object that wants selection is selected first when it is not.

        A point of a setting or of configuration (SP, CF) is written.
        """
        if late := self._late(command):
            return late
        if command.point.address.fc in SETTINGS:
            return await self._set(command)
        found = await self._prepare(command)
        if isinstance(found, Result):
            return found
        target, kind, model, order = found
        selected = self._selected.pop(command.point.id, None)
        if model.selects:
            if selected is not None and (selected.value, selected.at) == (order.value, order.at):
                order = selected
            else:
                result = await self._ied.controls.select(target, kind, model, order)
                if result.outcome != Outcome.DONE:
                    return result
        result = await self._ied.controls.operate(target, kind, model, order)
        if result.outcome == Outcome.ACCEPTED:
            self._timed[command.point.id] = order
        return result

    async def _set(self, command: Command) -> Result:
        """SetDataValues."""
        if command.test or command.at is not None:
            detail = "a setting is written at once and not as a test: not sent"
            return Result(outcome=Outcome.NOT_SUPPORTED, detail=detail)
        try:
            name, kind = setting(self._ied, command)
            octets = types.encode(kind, order_value(command, kind))
        except LookupError as error:
            return Result(outcome=Outcome.NOT_SUPPORTED, detail=str(error.args[0]))
        except ValueError as error:
            return Result(outcome=Outcome.REJECTED, detail=f"not sent: {error}")
        try:
            await self._ied.client.write_one(name, octets)
        except ServiceError as error:
            return Result(outcome=Outcome.REJECTED, detail=str(error))
        return Result(outcome=Outcome.DONE, detail="written")

    async def cancel(self, command: Command) -> Result:
        found = await self._prepare(command)
        if isinstance(found, Result):
            return found
        target, kind, _, order = found
        timed = self._timed.pop(command.point.id, order)
        selected = self._selected.pop(command.point.id, timed)
        return await self._ied.controls.cancel(target, kind, selected)

    def _late(self, command: Command) -> Result | None:
        now = self._now()
        if command.expires < now:
            return Result(outcome=Outcome.EXPIRED, detail="not sent")
        if command.at is not None and command.at <= now:
            return Result(outcome=Outcome.EXPIRED, detail="its time is over: not sent")
        return None

    async def _prepare(
        self, command: Command
    ) -> tuple[ObjectName, Type, ControlModel, Order] | Result:
        try:
            target, kind = control_object(self._ied, command)
            model = await self._ied.controls.model(target)
            if model == ControlModel.STATUS_ONLY:
                detail = f"{target} is status-only (ctlModel 0)"
                return Result(outcome=Outcome.NOT_SUPPORTED, detail=detail)
            value = order_value(command, kind.fields["Oper"].fields["ctlVal"])
        except LookupError as error:
            return Result(outcome=Outcome.NOT_SUPPORTED, detail=str(error.args[0]))
        except (ValueError, ServiceError, ProtocolError) as error:
            return Result(outcome=Outcome.REJECTED, detail=f"not sent: {error}")
        order = Order(
            value=value,
            time=self._now(),
            number=self._ied.controls.next_number(),
            origin=Origin(self._config.origin_category, command.actor.encode()[:64]),
            test=command.test,
            check_synchronism=command.check_synchronism,
            check_interlock=command.check_interlock,
            at=command.at,
        )
        return target, kind, model, order


def control_object(ied: Ied, command: Command) -> tuple[ObjectName, Type]:
    """The `CO` structure of the data object that the point is part of. Raises LookupError."""
    address = command.point.address
    domain = ied.model.domain(address.ied, address.device)
    node = ied.model.devices[domain].nodes.get(address.node)
    for depth in range(len(address.path), 0, -1):
        path = address.path[:depth]
        kind = descend(node, ("CO", *path)) if node else None
        if kind is not None and "Oper" in kind.fields:
            return ObjectName("$".join((address.node, "CO", *path)), domain), kind
    raise LookupError(f"{address} has no control in this device")


def setting(ied: Ied, command: Command) -> tuple[ObjectName, Type]:
    """The variable of a point that is written, not controlled. Raises LookupError."""
    address = command.point.address
    name = address.name(ied.model.domain(address.ied, address.device))
    kind = ied.model.type_of(name)
    if kind is None:
        raise LookupError(f"the device has no {address}")
    return name, kind


def order_value(command: Command, kind: Type) -> Any:
    """The command's value for a ctlVal of this type. Raises ValueError when it makes no sense."""
    value, spec = command.value, command.point.spec
    if isinstance(value, str):
        labels = {label: number for number, label in spec.states.items()}
        if value in labels:
            value = float(labels[value])
        elif value.lower() in _WORDS:
            on = _WORDS[value.lower()]
            value = on + 1 if spec.kind is Kind.DOUBLE else on
        else:
            value = float(value)
    if kind.kind == data.BOOLEAN and spec.kind is Kind.DOUBLE:
        # The point counts as its status does: 1 off, 2 on.
        if value not in {1, 2}:
            raise ValueError(f"a double point is operated to 1 (off) or 2 (on), not {value:g}")
        return value == 2
    if kind.kind == data.BOOLEAN:
        if value not in {0, 1}:
            raise ValueError(f"a single point is operated to 0 or 1, not {value:g}")
        return value == 1
    return value if kind.kind in {data.FLOAT, data.STRUCTURE} else round(value)
