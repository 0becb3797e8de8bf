"""A server of the package `iec61850` in a process of its own. Argument: an SCL file.

Prints `ready PORT`. Each line of standard input sets a value: `float REF VALUE`, `bool REF 0|1`,
`int REF VALUE`. It leaves with `_exit`, because its ordinary end aborts now and then.
"""

import asyncio
import os
import sys

import iec61850

CONTROLS = {
    "SPCSO1": iec61850.ControlModel.DIRECT_NORMAL,
    "SPCSO2": iec61850.ControlModel.SBO_NORMAL,
    "SPCSO3": iec61850.ControlModel.DIRECT_ENHANCED,
    "SPCSO4": iec61850.ControlModel.SBO_ENHANCED,
}


async def main() -> None:
    server = iec61850.IedServer.from_scl(sys.argv[1], ied_name="BAY1")
    server.bind("127.0.0.1:0")
    server.add_dataset(
        "MEAS/LLN0$measured", ["MEAS/MMXU1.TotW.mag.f[MX]", "MEAS/MMXU1.Hz.mag.f[MX]"]
    )
    await server.start()
    print("ready", server.bound_addr.rsplit(":", 1)[1], flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        word, reference, value = line.split()
        if word == "float":
            server.update_float32(reference, float(value))
        elif word == "bool":
            server.update_bool(reference, value == "1")
        else:
            server.update_int32(reference, int(value))
        print("done", flush=True)
    os._exit(0)


asyncio.run(main())
