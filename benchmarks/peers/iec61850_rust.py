"""The client of the package `iec61850`: float reads, data sets, reads under reports, connects.

Arguments: port, seconds a figure, connects. Prints JSON; leaves with `_exit`, as it must.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import iec61850

FLOAT = "PEERLD/GGIO1.AnIn1.mag.f"


async def rate(work: Callable[[], Awaitable[Any]], seconds: float) -> float:
    done, start = 0, time.perf_counter()
    while (took := time.perf_counter() - start) < seconds:
        await work()
        done += 1
    return done / took


async def main() -> None:
    address, seconds, connects = f"127.0.0.1:{sys.argv[1]}", float(sys.argv[2]), int(sys.argv[3])
    client = await iec61850.IedConnection.connect(address)
    out = {
        "reads": await rate(lambda: client.read_float(FLOAT, iec61850.FC.MX), seconds),
        "sets": await rate(lambda: client.get_data_set_values("PEERLD/LLN0.values"), seconds),
    }
    block = await client.get_rcb_values("PEERLD/LLN0.RP.urcb01")
    block.rpt_ena = True
    await client.set_rcb_values(block, iec61850.RcbWriteMask.fields("rpt_ena"))
    await client.install_report_handler("PEERLD/LLN0.RP.urcb01", lambda report: None)
    dispatcher = client.spawn_report_dispatcher(20)
    out["reported"] = await rate(lambda: client.read_float(FLOAT, iec61850.FC.MX), seconds)
    out["good"] = 0
    for _ in range(connects):
        try:
            other = await iec61850.IedConnection.connect(address)
            await other.read_float(FLOAT, iec61850.FC.MX)
            out["good"] += 1
            await other.disconnect()
        except iec61850.IedError:
            continue
    del dispatcher
    print(json.dumps(out), flush=True)
    os._exit(0)


asyncio.run(main())
