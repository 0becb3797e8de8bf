"""A libiec61850 server with 100 floats in one data set, reported ten times a second on wish.

Argument: the model file. Prints its port.
"""

import socket
import sys
import time

import pyiec61850.pyiec61850 as lib

COUNT = 100


def model() -> str:
    """The configuration of libiec61850: one node with 100 analogue inputs and a report block."""
    inputs = "\n".join(
        f"DO(AnIn{n} 0){{\nDA(mag 0 27 1 1 0){{\nDA(f 0 10 1 1 0);\n}}\nDA(q 0 23 1 2 0);\n"
        "DA(t 0 22 1 0 0);\n}"
        for n in range(1, COUNT + 1)
    )
    members = "\n".join(f"DE(GGIO1$MX$AnIn{n}$mag$f);" for n in range(1, COUNT + 1))
    blocks = "RC(urcb01 all 0 values 1 17 143 0 0);\nRC(urcb02 other 0 values 1 17 143 0 0);"
    return (
        f"MODEL(PEER){{\nLD(LD){{\nLN(LLN0){{\nDS(values){{\n{members}\n}}\n{blocks}\n}}\n"
        f"LN(GGIO1){{\n{inputs}\n}}\n}}\n}}\n"
    )


def main() -> None:
    made = lib.ConfigFileParser_createModelFromConfigFileEx(sys.argv[1])
    server = lib.IedServer_create(made)
    lib.IedServer_setLocalIpAddress(server, "127.0.0.1")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    lib.IedServer_start(server, port)
    print(port, flush=True)
    inputs = [
        lib.toDataAttribute(
            lib.IedModel_getModelNodeByShortObjectReference(made, f"LD/GGIO1.AnIn{n}.mag.f")
        )
        for n in range(1, COUNT + 1)
    ]
    value = 0.0
    while True:
        time.sleep(0.1)
        value += 0.5
        lib.IedServer_lockDataModel(server)
        for each in inputs:
            lib.IedServer_updateFloatAttributeValue(server, each, value)
        lib.IedServer_unlockDataModel(server)


if __name__ == "__main__":
    main()
