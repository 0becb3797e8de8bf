"""The virtual prepayment meter behind the registers of `generic/sts_meter`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from hub.kernel.profiles import Profiles
from simulators.modbus import Server, Unit
from simulators.prepaid import PrepaidMeter

PROFILE: Final = "generic/sts_meter"
RESULT_LENGTH: Final = 16


def _now() -> datetime:
    return datetime.now(UTC)


class PrepaidUnit:
    """One meter as a Modbus unit: registers follow the meter, written digits are entered."""

    def __init__(self, meter: PrepaidMeter, clock: Callable[[], datetime] = _now) -> None:
        self.meter, self._clock = meter, clock
        self.unit = Unit(Profiles().find(PROFILE))
        self.unit.on_write.append(self._written)
        self.entered = 0
        self.show()

    def show(self) -> None:
        """Bring the registers up to date."""
        meter, put = self.meter, self.unit.image.set
        identity, power = meter.sts.identity, meter.power
        put("voltage.l1", meter.voltage)
        put("current.l1", power / meter.voltage)
        put("power.active.total", power)
        put("energy.active.import.total", meter.energy / 1000)
        put("credit.remaining", meter.balance / 1000)
        put("relay.state", float(meter.closed))
        put("relay.reason", meter.reason)
        put("tamper", float(meter.sts.tampered))
        put("sts.tariff_index", identity.tariff_index)
        put("sts.key_revision", identity.key_revision)
        put("sts.supply_group", int(identity.supply_group))
        put("power.limit", meter.limit or 0)
        put("sts.entered", self.entered % 65536)
        put("sts.result", str(meter.last_result or "")[:RESULT_LENGTH])

    def _written(self, name: str, value: int) -> None:
        if name == "relay":
            self.meter.remote_open = value == 0
        elif name == "sts.token":
            self.entered += 1
            digits = value.to_bytes(20, "big").decode("latin-1").rstrip("\0")
            self.meter.enter(digits, self._clock())
        self.show()


@asynccontextmanager
async def serve(
    meters: dict[int, PrepaidMeter], *, host: str = "127.0.0.1", port: int = 0, speed: float = 1.0
) -> AsyncIterator[Server]:
    """Serve meters by unit number; their time runs `speed` times as fast as ours.

    0: somebody else moves it, and the registers follow.
    """
    units = {number: PrepaidUnit(meter) for number, meter in meters.items()}

    async def run() -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(0.1)
            now = loop.time()
            for each in units.values():
                if speed:
                    each.meter.run((now - last) * speed)
                each.show()
            last = now

    async with Server({n: each.unit for n, each in units.items()}, host=host, port=port) as server:
        clock = asyncio.create_task(run())
        try:
            yield server
        finally:
            clock.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await clock
