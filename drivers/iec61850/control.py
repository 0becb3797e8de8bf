"""Controls (IEC 61850-7-2 §20, 8-1 §20): select, operate, cancel, and how they ended."""

import asyncio
import datetime as dt
import enum
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from hub import Outcome, ProtocolError, Result

from .client import Client
from .mms import data, types
from .mms.data import Bits, UtcTime
from .mms.pdu import ObjectName, ServiceError
from .mms.services import InformationReport
from .mms.types import Type


class ControlModel(enum.IntEnum):
    STATUS_ONLY = 0
    DIRECT = 1
    SBO = 2
    DIRECT_ENHANCED = 3
    SBO_ENHANCED = 4

    @property
    def enhanced(self) -> bool:
        return self >= ControlModel.DIRECT_ENHANCED

    @property
    def selects(self) -> bool:
        return self in {ControlModel.SBO, ControlModel.SBO_ENHANCED}


ADD_CAUSES = (
    "unknown",
    "not supported",
    "blocked by switching hierarchy",
    "select failed",
    "invalid position",
    "position reached",
    "parameter change in execution",
    "step limit",
    "blocked by mode",
    "blocked by process",
    "blocked by interlocking",
    "blocked by synchrocheck",
    "command already in execution",
    "blocked by health",
    "1-of-n control",
    "abortion by cancel",
    "time limit over",
    "abortion by trip",
    "object not selected",
    "object already selected",
    "no access authority",
    "ended with overshoot",
    "abortion due to deviation",
    "abortion by communication loss",
    "blocked by command",
    "none",
    "inconsistent parameters",
    "locked by other client",
)
_OUTCOMES = {
    1: Outcome.NOT_SUPPORTED,
    2: Outcome.LOCAL,
    3: Outcome.NO_SELECT,
    10: Outcome.INTERLOCKED,
    11: Outcome.INTERLOCKED,
    16: Outcome.TIMEOUT,
    18: Outcome.NO_SELECT,
}


class ApplicationError(Struct, frozen=True):
    """LastApplError: what the device says of a control that it refused or gave up."""

    object: str
    error: int
    number: int
    cause: int

    @property
    def words(self) -> str:
        known = 0 <= self.cause < len(ADD_CAUSES)
        cause = ADD_CAUSES[self.cause] if known else f"cause {self.cause}"
        return f"AddCause {self.cause}: {cause}"

    @property
    def result(self) -> Result:
        return Result(outcome=_OUTCOMES.get(self.cause, Outcome.REJECTED), detail=self.words)


def application_error(values: list[Any]) -> ApplicationError:
    """Read a LastApplError structure: CntrlObj, Error, Origin, ctlNum, AddCause."""
    if len(values) != 5 or not isinstance(values[0], str):
        raise ProtocolError("LastApplError without its five members")
    numbers = [values[n] for n in (1, 3, 4)]
    if not all(isinstance(number, int) for number in numbers):
        raise ProtocolError("LastApplError with members of the wrong type")
    return ApplicationError(values[0], *numbers)


class Origin(Struct, frozen=True):
    """category: 1 bay, 2 station, 3 remote control (IEC 61850-7-3 orCategory)."""

    category: int = 3
    identity: bytes = b"busbar"


class Order(Struct, frozen=True, kw_only=True):
    """One control. time: µs since 1970 of the order; at: µs for a time-activated one."""

    value: Any
    time: int
    number: int
    origin: Origin = Origin()
    test: bool = False
    check_synchronism: bool = False
    check_interlock: bool = False
    at: int | None = None

    @property
    def accepted(self) -> Result:
        when = dt.datetime.fromtimestamp((self.at or 0) / 1e6, dt.UTC)
        detail = f"the device executes it at {when:%Y-%m-%dT%H:%M:%S.%f}Z"
        return Result(outcome=Outcome.ACCEPTED, detail=detail)


def parameters(kind: Type, order: Order) -> bytes:
    """The `Oper`, `SBOw` or `Cancel` structure of a device, filled by the names of its members."""
    given: dict[str, Any] = {
        "ctlVal": order.value,
        "operTm": UtcTime(order.at or 0),
        "origin": {"orCat": order.origin.category, "orIdent": order.origin.identity},
        "ctlNum": order.number,
        "T": UtcTime(order.time),
        "Test": order.test,
        "Check": Bits.of(order.check_synchronism, order.check_interlock),
    }
    parts = []
    for name, part in kind.fields.items():
        if name not in given:
            raise ProtocolError(f"control structure with an unknown member {name!r}")
        value = given[name]
        if name == "ctlVal":
            value = control_value(part, value)
        elif name == "T" and part.kind == data.BINARY_TIME:
            value = data.BinaryTime.at(order.time)
        parts.append(types.encode(part, value))
    return data.structure(*parts)


def control_value(kind: Type, value: Any) -> Any:
    """A plain number as the device's ctlVal: Tcmd bits, or the `f` or `i` of an analogue value."""
    if kind.kind != data.STRUCTURE:
        return value
    if isinstance(value, Mapping):
        return {name: value[name] for name in kind.fields}
    if len(kind.fields) == 1:
        return [value]
    if set(kind.fields) == {"i", "f"}:
        return {"i": round(value), "f": value}
    raise ValueError(f"this control takes {', '.join(kind.fields)}, not one number")


class Controls:
    """The controls of one association. One order per object is under way at a time.

    on_failure: told of a time-activated order that the device could not execute when its time came,
    by its object and why.
    """

    def __init__(self, client: Client, termination_timeout: float = 10.0) -> None:
        self._client = client
        self._timeout = termination_timeout
        self._number = 0
        self.on_failure: Callable[[str, str], None] | None = None
        self._errors: dict[str, ApplicationError] = {}
        self._waiting: dict[str, asyncio.Future[ApplicationError | None]] = {}

    def next_number(self) -> int:
        """ctlNum, an unsigned octet."""
        self._number = (self._number + 1) & 0xFF
        return self._number

    def unconfirmed(self, report: InformationReport) -> bool:
        """Take LastApplError and CommandTermination; whether it was one of them."""
        names = [name.item for name in report.variables]
        if len(names) != len(report.values):
            return False
        error = None
        if "LastApplError" in names:
            error = application_error(report.values[names.index("LastApplError")])
        terminated = [name for name in report.variables if name.item.endswith("$Oper")]
        if error is not None and not terminated:
            self._errors[plain(error.object)] = error
        for name in terminated:
            future = self._waiting.get(plain(str(name)))
            if future is None and error is not None and self.on_failure:
                self.on_failure(str(name), f"not executed at its time: {error.words}")
            if future is not None and not future.done():
                future.set_result(error)
        return error is not None or bool(terminated)

    async def model(self, target: ObjectName) -> ControlModel:
        """ctlModel of a control object named `LN$CO$DO`."""
        name = ObjectName(target.item.replace("$CO$", "$CF$", 1) + "$ctlModel", target.domain)
        value = await self._client.read_one(name)
        try:
            return ControlModel(value)
        except ValueError:
            raise ProtocolError(f"{name}: {value!r} is no control model") from None

    async def select(
        self, target: ObjectName, kind: Type, model: ControlModel, order: Order
    ) -> Result:
        """Reserve the object. With enhanced security the device checks the value already."""
        if order.at is not None and (untimed := _untimed(target, kind)):
            return untimed
        if model == ControlModel.SBO:
            name = ObjectName(f"{target.item}$SBO", target.domain)
            answer = await self._client.read_one(name)
            if answer:
                return Result(outcome=Outcome.DONE, detail="selected")
            return Result(outcome=Outcome.NO_SELECT, detail="the device did not select it")
        if "SBOw" not in kind.fields:
            return Result(outcome=Outcome.NOT_SUPPORTED, detail=f"{target} has no SBOw")
        return await self._write(target, "SBOw", kind, order, "selected")

    async def operate(
        self, target: ObjectName, kind: Type, model: ControlModel, order: Order
    ) -> Result:
        """Execute; with enhanced security, wait for the command's termination.

        A time-activated order ends as ACCEPTED when the device has taken it.
        """
        if order.at is not None:
            if untimed := _untimed(target, kind):
                return untimed
            taken = await self._write(target, "Oper", kind, order, "")
            return order.accepted if taken.outcome == Outcome.DONE else taken
        key = plain(f"{target}$Oper")
        future: asyncio.Future[ApplicationError | None] = asyncio.get_running_loop().create_future()
        if model.enhanced:
            self._waiting[key] = future
        try:
            result = await self._write(target, "Oper", kind, order, "operated")
            if result.outcome != Outcome.DONE or not model.enhanced:
                return result
            return await self._terminated(future)
        finally:
            self._waiting.pop(key, None)

    async def _terminated(self, future: "asyncio.Future[ApplicationError | None]") -> Result:
        lost = self._client.association.lost
        both: set[asyncio.Future[Any]] = {future, lost}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED, timeout=self._timeout)
        if future.done():
            error = future.result()
            return error.result if error else Result(outcome=Outcome.DONE, detail="terminated")
        if lost.done():
            return Result(outcome=Outcome.UNKNOWN, detail="the link died before termination")
        text = f"accepted, but no termination in {self._timeout:g} s"
        return Result(outcome=Outcome.TIMEOUT, detail=text)

    async def cancel(self, target: ObjectName, kind: Type, order: Order) -> Result:
        if "Cancel" not in kind.fields:
            return Result(outcome=Outcome.NOT_SUPPORTED, detail=f"{target} has no Cancel")
        return await self._write(target, "Cancel", kind, order, "cancelled")

    async def _write(
        self, target: ObjectName, service: str, kind: Type, order: Order, done: str
    ) -> Result:
        name = ObjectName(f"{target.item}${service}", target.domain)
        key = plain(str(name))
        self._errors.pop(key, None)
        try:
            octets = parameters(kind.fields[service], order)
        except (ValueError, ProtocolError) as error:
            return Result(outcome=Outcome.REJECTED, detail=f"not sent: {error}")
        try:
            await self._client.write_one(name, octets)
        except ServiceError as error:
            # LastApplError, when there is one, comes before the refusal.
            told = self._errors.pop(key, None)
            if told is not None:
                return told.result
            return Result(outcome=Outcome.REJECTED, detail=str(error))
        return Result(outcome=Outcome.DONE, detail=done)


def _untimed(target: ObjectName, kind: Type) -> Result | None:
    """A refusal where the device would execute a time-activated order at once."""
    if "operTm" in kind.fields["Oper"].fields:
        return None
    detail = f"{target} has no time-activated control (operTm)"
    return Result(outcome=Outcome.NOT_SUPPORTED, detail=detail)


def plain(reference: str) -> str:
    """One spelling of an object reference: devices write `.` or `$`, and leave `CO` in or out."""
    return reference.replace(".", "$").replace("$CO$", "$", 1)
