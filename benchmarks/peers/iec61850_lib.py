"""The Python client of libiec61850: float reads, data sets, connects, freeze by a silent peer.

Arguments: port, seconds a figure, connects, port of a peer that never answers. Prints JSON.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable

import pyiec61850.pyiec61850 as lib

FLOAT = "PEERLD/GGIO1.AnIn1.mag.f"


def rate(work: Callable[[], object], seconds: float) -> float:
    done, start = 0, time.perf_counter()
    while (took := time.perf_counter() - start) < seconds:
        work()
        done += 1
    return done / took


def connect(port: int):
    connection = lib.IedConnection_create()
    lib.IedConnection_setConnectTimeout(connection, 2000)
    _, error = lib.IedConnection_connect(connection, "127.0.0.1", port)
    return connection, error


def data_sets(port: int, seconds: float) -> float:
    """The package's own client: the raw call does not work from Python."""
    from pyiec61850.mms import MMSClient  # noqa: PLC0415

    client = MMSClient()
    client.connect("127.0.0.1", port)
    return rate(lambda: client.read_dataset("PEERLD/LLN0$values"), seconds)


def longest_gap(work: Callable[[], object]) -> float:
    """Seconds for which another thread could not run."""
    gaps, stop, last = [0.0], threading.Event(), [time.perf_counter()]

    def beat() -> None:
        while not stop.is_set():
            now = time.perf_counter()
            gaps.append(now - last[0])
            last[0] = now
            time.sleep(0.001)

    thread = threading.Thread(target=beat)
    thread.start()
    work()
    stop.set()
    thread.join()
    return max(gaps)


def main() -> None:
    port, seconds, connects, silent = int(sys.argv[1]), float(sys.argv[2]), *map(int, sys.argv[3:])
    client, _ = connect(port)
    read = lib.IedConnection_readFloatValue
    out = {
        "reads": rate(lambda: read(client, FLOAT, lib.IEC61850_FC_MX), seconds),
        "sets": data_sets(port, seconds),
        "good": 0,
    }
    for _ in range(connects):
        other, error = connect(port)
        _, failed = read(other, FLOAT, lib.IEC61850_FC_MX)
        out["good"] += not error and not failed
        lib.IedConnection_destroy(other)
    out["gap"] = longest_gap(lambda: connect(silent))
    print(json.dumps(out), flush=True)
    os._exit(0)


main()
