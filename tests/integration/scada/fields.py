"""One switch in the field, by each protocol, for the same commands of a centre.

A `Field` tells: the channel of a gateway on it, the control's code, what the
device was asked (`steps`: select, operate), and lets the device refuse, stick and go away.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from drivers import dnp3, iec61850, mqtt
from drivers.dnp3.codec.commands import CommandStatus, Control
from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.outstation import OutstationServer, OutstationSettings
from drivers.iec61850.mms.data import Bits
from hub.kernel.profiles import Profiles
from simulators.acrel import Fleet, broker
from simulators.dnp3 import Rtu
from simulators.iec61850 import SimulatedIed

METER = "ACR-000001"
QUICK = {"request_timeout": 1.0, "backoff": {"first": 0.05, "last": 0.1}}


@dataclass
class Field:
    """closed, open: what the feedback shows. refused: result and state of a refused command."""

    module: ModuleType
    channel: dict[str, Any]
    control: str
    closed: float
    open: float
    refused: tuple[str, str]
    refuse: Callable[[], None]
    stick: Callable[[], None]
    leave: Callable[[], Awaitable[None]]
    steps: list[str] = field(default_factory=list)
    two_steps: bool = True


@contextlib.asynccontextmanager
async def outstation() -> AsyncIterator[Field]:
    """A DNP3 RTU; its breaker is a CROB, its feedback a double-bit input."""
    steps: list[str] = []

    class Bay(Rtu):
        stuck = False

        def select(self, index: int, control: Control) -> CommandStatus:
            steps.append("select")
            return super().select(index, control)

        def operate(self, index: int, control: Control) -> CommandStatus:
            steps.append("operate")
            return CommandStatus.SUCCESS if self.stuck else super().operate(index, control)

    rtu = Bay(Profiles().find("generic/dnp3_rtu"))
    assert PointType.DBI in rtu.database.tables
    settings = OutstationSettings(need_time=True, confirm_timeout=0.5, keep_alive=None)
    server = OutstationServer(settings, rtu.database, rtu)
    async with contextlib.AsyncExitStack() as stack:
        port = await stack.enter_async_context(server.listen("127.0.0.1", 0))
        device = {"name": "bay", "profile": "generic/dnp3_rtu", "station": "S9"}
        yield Field(
            module=dnp3,
            channel={"driver": "dnp3-tcp", "name": "line", "host": "127.0.0.1", "port": port}
            | {"devices": [device]} | QUICK,
            control="bay.breaker", closed=2.0, open=1.0,
            refused=("local", "failed"),
            refuse=lambda: setattr(rtu, "local", True),
            stick=lambda: setattr(rtu, "stuck", True),
            leave=stack.aclose,
            steps=steps,
        )  # fmt: skip


@contextlib.asynccontextmanager
async def ied() -> AsyncIterator[Field]:
    """An IEC 61850 bay controller: select before operate with enhanced security."""
    steps: list[str] = []
    made = SimulatedIed()
    made.data.set("CTRL/XCBR1.Pos.stVal", Bits(2, 2))
    write = made.controls.write

    def watched(name: Any, *rest: Any) -> Any:
        word = {"SBOw": "select", "Oper": "operate"}.get(name.item.rpartition("$")[2])
        steps.extend([word] if word else [])
        return write(name, *rest)

    made.controls.write = watched  # type: ignore[method-assign]
    async with contextlib.AsyncExitStack() as stack:
        port = await stack.enter_async_context(made.serve())
        device = {"name": "bay", "ied": "BAY1", "profile": "generic/iec61850_ied", "station": "S9"}

        def stick() -> None:
            made.controls._settle = lambda *_: None  # type: ignore[method-assign]

        yield Field(
            module=iec61850,
            channel={"driver": "iec61850", "name": "station", "host": "127.0.0.1", "port": port}
            | {"devices": [device]} | QUICK,
            control="bay.breaker", closed=2.0, open=1.0,
            refused=("local", "failed"),
            refuse=lambda: made.data.set("CTRL/XCBR1.Loc.stVal", True),
            stick=stick,
            leave=stack.aclose,
            steps=steps,
        )  # fmt: skip


class _Steps(list[str]):
    """Orders that a meter obeyed, each as a step."""

    def append(self, order: str) -> None:
        super().append("operate")


@contextlib.asynccontextmanager
async def meter() -> AsyncIterator[Field]:
    """A prepayment meter on an MQTT broker, with its relay."""
    fleet = Fleet(1, every=0.5)
    device = fleet.meters[METER]
    steps = device.obeyed = _Steps()
    async with broker() as port:
        running = asyncio.create_task(fleet.run("127.0.0.1", port))

        async def leave() -> None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

        channel = fleet.channel("127.0.0.1", port)
        try:
            yield Field(
                module=mqtt,
                channel=channel | QUICK,
                control=f"{METER}.relay", closed=1.0, open=0.0,
                refused=("timeout", "timeout"),  # it can only be silent
                refuse=lambda: setattr(device, "offline", True),
                stick=lambda: setattr(device, "_apply", lambda order: None),
                leave=leave,
                steps=steps,
                two_steps=False,
            )  # fmt: skip
        finally:
            await leave()


FIELDS = {"dnp3": outstation, "iec61850": ied, "mqtt": meter}
