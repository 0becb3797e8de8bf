"""What happens in a simulated bay: load over the day, and no current through an open breaker."""

import asyncio
import math
import random
import time

from drivers.iec61850.mms.data import Bits
from drivers.iec61850.mms.pdu import ObjectName
from simulators.iec61850_data import Data

_PHASES = ("A", "B", "C")
_VOLTS, _AMPS, _POWER_FACTOR = 11_547.0, 120.0, 0.95
_CLOSED = Bits(2, 2)


async def live(data: Data, every: float = 1.0, seed: int = 1) -> None:
    """Move the values once a period, for ever. All switches begin closed."""
    chance = random.Random(seed)  # noqa: S311 - a load, not a secret
    for reference in switches(data):
        data.set(f"{reference}.Pos.stVal", _CLOSED)
    energy = 0.0
    while True:
        energy += step(data, chance, time.time()) * every / 3600
        for inst in data.inst:
            put(data, f"{inst}/MMTR1.DmdWh.actVal", int(energy))
        await asyncio.sleep(every)


def switches(data: Data) -> list[str]:
    """References of all breakers, disconnectors and their controllers."""
    return [
        f"{inst}/{node}"
        for inst, domain in data.inst.items()
        for node in data.model.devices[domain].nodes
        if node.startswith(("XCBR", "XSWI", "CSWI")) and data.has(f"{inst}/{node}.Pos.stVal")
    ]


def step(data: Data, chance: random.Random, now: float) -> float:
    """One moment of a feeder; returns its active power in kW."""
    load = 0.6 + 0.3 * math.sin(now / 86_400 * 2 * math.pi) + chance.gauss(0, 0.01)
    amps = _AMPS * load if closed(data) else 0.0
    volts = _VOLTS * (1 + chance.gauss(0, 0.002))
    kilovoltampere = 3 * volts * amps / 1000
    watts = kilovoltampere * _POWER_FACTOR
    values = {
        "TotW.mag.f": watts,
        "TotVAr.mag.f": math.sqrt(max(0.0, kilovoltampere**2 - watts**2)),
        "TotVA.mag.f": kilovoltampere,
        "TotPF.mag.f": _POWER_FACTOR,
        "Hz.mag.f": 50 + chance.gauss(0, 0.01),
    }
    for phase in _PHASES:
        values[f"PhV.phs{phase}.cVal.mag.f"] = volts
        values[f"A.phs{phase}.cVal.mag.f"] = amps
    for inst in data.inst:
        for path, value in values.items():
            put(data, f"{inst}/MMXU1.{path}", value)
    return watts


def put(data: Data, reference: str, value: float) -> None:
    if data.has(reference):
        data.set(reference, value)


def closed(data: Data) -> bool:
    """Whether no breaker of the bay is open."""
    positions = [
        data.get(ObjectName(f"{node}$ST$Pos$stVal", domain))
        for domain, device in data.model.devices.items()
        for node in device.nodes
        if node.startswith("XCBR")
    ]
    return all(position == _CLOSED for position in positions)
