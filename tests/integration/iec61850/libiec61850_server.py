"""A libiec61850 server in a process of its own; GPL, so only ever a peer of the tests.

Arguments: model file, folder of files, controls with commas, and with TLS a folder with ca.pem,
ied.pem and ied.key. A control `A>B` moves the object B, as a switch controller its breaker. Setting
groups work. Prints `ready PORT`. Then each
line of standard input sets a value: `float REF VALUE`, `bool REF 0|1`, `dbpos REF 0..3 MS`,
`quality REF BITS`, `block REF 0|1` (interlock of a control), `quit`.
"""

import os
import socket
import sys
import time

import pyiec61850.pyiec61850 as lib
from libiec61850_settings import SettingGroups


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Operate(lib.ControlHandlerForPython):
    """Carries out a control: the status follows the order, with the time of the server."""

    def __init__(self, model, reference):
        super().__init__()
        self.model, self.reference = model, reference

    def trigger(self):
        self._libiec61850_control_handler_result = lib.CONTROL_RESULT_OK
        value, server = self._libiec61850_mms_value, self._libiec61850_ied_server
        status = lookup(self.model, f"{self.reference}.stVal")
        stamp = lookup(self.model, f"{self.reference}.t")
        if status is None:
            return
        lib.IedServer_lockDataModel(server)
        lib.IedServer_updateUTCTimeAttributeValue(server, stamp, int(time.time() * 1000))
        if lib.DataAttribute_getType(status) == lib.IEC61850_CODEDENUM:
            on = lib.MmsValue_getBoolean(value)
            lib.IedServer_updateDbposValue(server, status, lib.DBPOS_ON if on else lib.DBPOS_OFF)
        else:
            lib.IedServer_updateAttributeValue(server, status, value)
        lib.IedServer_unlockDataModel(server)


class Check(lib.CheckHandlerForPython):
    """Refuses while the object is blocked, as an interlock does."""

    def __init__(self, blocked, reference):
        super().__init__()
        self.blocked, self.reference = blocked, reference

    def trigger(self):
        if self.reference in self.blocked:
            action = self._libiec61850_control_action
            lib.ControlAction_setAddCause(action, lib.ADD_CAUSE_BLOCKED_BY_INTERLOCKING)
            self._libiec61850_check_handler_result = lib.CONTROL_OBJECT_ACCESS_DENIED
        else:
            self._libiec61850_check_handler_result = lib.CONTROL_ACCEPTED


def lookup(model, reference):
    return lib.toDataAttribute(node(model, reference))


def node(model, reference):
    return lib.IedModel_getModelNodeByShortObjectReference(model, reference)


def tls(folder):
    """Client and server prove themselves by certificates of one authority."""
    secure = lib.TLSConfiguration_create()
    lib.TLSConfiguration_setChainValidation(secure, True)
    lib.TLSConfiguration_setAllowOnlyKnownCertificates(secure, False)
    assert lib.TLSConfiguration_setOwnKeyFromFile(secure, f"{folder}/ied.key", None)
    assert lib.TLSConfiguration_setOwnCertificateFromFile(secure, f"{folder}/ied.pem")
    assert lib.TLSConfiguration_addCACertificateFromFile(secure, f"{folder}/ca.pem")
    return secure


def control(server, model, reference, moved, blocked, keep) -> None:
    subscriber = lib.ControlSubscriberForPython()
    subscriber.setIedServer(server)
    subscriber.setControlObject(lib.toDataObject(node(model, reference)))
    for handler, setter in (
        (Operate(model, moved or reference), subscriber.setControlHandler),
        (Check(blocked, reference), subscriber.setCheckHandler),
    ):
        handler.__disown__()
        setter(handler)
        keep.append(handler)
    subscriber.subscribe()
    keep.append(subscriber)


def main() -> None:
    model_file, folder, controls = sys.argv[1], sys.argv[2], sys.argv[3].split(",")
    model = lib.ConfigFileParser_createModelFromConfigFileEx(model_file)
    if len(sys.argv) > 4:
        server = lib.IedServer_createWithTlsSupport(model, tls(sys.argv[4]))
    else:
        server = lib.IedServer_create(model)
    lib.IedServer_setLocalIpAddress(server, "127.0.0.1")
    lib.IedServer_setFilestoreBasepath(server, folder)
    lib.IedServer_setServerIdentity(server, "MZ", "peer", "1.6.1")
    lib.IedServer_setWriteAccessPolicy(server, lib.IEC61850_FC_CF, lib.ACCESS_POLICY_ALLOW)
    blocked: set[str] = set()
    keep: list[object] = []
    for each in filter(None, controls):
        reference, _, moved = each.partition(">")
        control(server, model, reference, moved, blocked, keep)
    keep.append(SettingGroups(server, model))
    port = free_port()
    lib.IedServer_start(server, port)
    say(f"ready {port if lib.IedServer_isRunning(server) else 0}")
    for line in sys.stdin:
        word, *arguments = line.split()
        if word == "quit":
            break
        apply(server, model, blocked, word, arguments)
        say("done")
    os._exit(0)


def apply(server, model, blocked, word, arguments) -> None:
    reference, value = arguments[0], arguments[1]
    if word == "block":
        (blocked.add if value == "1" else blocked.discard)(reference)
        return
    lib.IedServer_lockDataModel(server)
    attribute = lookup(model, reference)
    if word == "float":
        lib.IedServer_updateFloatAttributeValue(server, attribute, float(value))
    elif word == "bool":
        lib.IedServer_updateBooleanAttributeValue(server, attribute, value == "1")
    elif word == "int":
        lib.IedServer_updateInt32AttributeValue(server, attribute, int(value))
    elif word == "dbpos":
        stamp = lookup(model, reference.rsplit(".", 1)[0] + ".t")
        lib.IedServer_updateUTCTimeAttributeValue(server, stamp, int(arguments[2]))
        lib.IedServer_updateDbposValue(server, attribute, int(value))
    elif word == "quality":
        lib.IedServer_updateQuality(server, attribute, int(value))
    lib.IedServer_unlockDataModel(server)


if __name__ == "__main__":
    main()
