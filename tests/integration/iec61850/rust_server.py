"""A server of the package `iec61850` in a process of its own. Argument: our feeder bay.

Prints `ready PORT`. Each line of standard input sets a value: `float REF VALUE`, `bool REF 0|1`,
`int REF VALUE`; `log MS VALUE` adds to the log. It leaves with `_exit`, because its ordinary end
aborts now and then.
"""

import asyncio
import os
import sys

import iec61850

LOG, HERTZ = "MEAS/LLN0.lcb01", "BAY1MEAS/MMXU1$MX$Hz$mag$f"
MODELS = ("direct-normal", "sbo-normal", "direct-enhanced", "sbo-enhanced")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def operate(server, path):
    def apply(_: str, value: bool, action: dict[str, object]) -> None:
        server.update_bool(f"{path}.stVal", value)

    return apply


def refuse(path: str, value: object, action: dict[str, object]) -> None:
    error = RuntimeError("interlocked")
    error.add_cause = "BlockedByInterlocking"  # type: ignore[attr-defined]
    raise error


async def main() -> None:
    server = iec61850.IedServer.from_scl(sys.argv[1], ied_name="BAY1")
    server.bind("127.0.0.1:0")
    for number, model in enumerate(MODELS, 1):
        path = f"CTRL/GGIO1.SPCSO{number}"
        server.on_control(path, ctl_model=model, operate=operate(server, path))
    server.on_control("CTRL/CSWI1.Pos", ctl_model="sbo-enhanced", check=refuse)
    measured = [f"MEAS/MMXU1.{do}.mag.f" for do in ("TotW", "TotVAr", "Hz")]
    server.add_dataset("LLN0$values", measured)
    server.register_urcb("MEAS/LLN0.urcb01", dataset="LLN0$values", rpt_id="values")
    server.register_setting_group_handler("PROT")
    server.register_log_control(LOG, dataset="LLN0$values", log_ref="BAY1MEAS/LLN0$EventLog")
    await server.start()
    say(f"ready {server.bound_addr.rsplit(':', 1)[1]}")
    while line := await asyncio.to_thread(sys.stdin.readline):
        word, reference, value = line.split()
        if word == "float":
            server.update_float32(reference, float(value))
        elif word == "log":
            server.log_value(LOG, data_ref=HERTZ, value=float(value), time_ms=int(reference))
        elif word == "bool":
            server.update_bool(reference, value == "1")
        else:
            server.update_int32(reference, int(value))
        say("done")
    os._exit(0)


asyncio.run(main())
