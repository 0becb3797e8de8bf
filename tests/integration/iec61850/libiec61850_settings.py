"""Setting groups of a libiec61850 server: what its application must do for their services.

The callbacks are C functions, which the Python binding cannot take: they are given past it.
"""

import ctypes
from typing import Any

import pyiec61850.pyiec61850 as lib
from pyiec61850 import _pyiec61850

WHERE, GROUPS = ("PROT", "PTOC1.StrVal"), (1, 2, 3)
Changed = ctypes.CFUNCTYPE(
    ctypes.c_bool, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint8, ctypes.c_void_p
)
Confirmed = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint8)


class SettingGroups:
    """One setting of the overcurrent stage in three groups: the value is ten times the number."""

    def __init__(self, server: Any, model: Any) -> None:
        self.server = server
        self.values = {group: 10.0 * group for group in GROUPS}
        device = lib.IedModel_getDeviceByInst(model, WHERE[0])
        setting = lib.IedModel_getModelNodeByShortObjectReference(model, "/".join(WHERE))
        self.active, self.edited = (
            lib.toDataAttribute(
                lib.ModelNode_getChild(lib.ModelNode_getChildWithFc(setting, "setMag", fc), "f")
            )
            for fc in (lib.IEC61850_FC_SG, lib.IEC61850_FC_SE)
        )
        self.kept = (Changed(self.activate), Changed(self.edit), Confirmed(self.confirm))
        self.number = 1
        self.put(self.active, 1)
        block = int(lib.LogicalDevice_getSettingGroupControlBlock(device).this)
        exported = ctypes.CDLL(_pyiec61850.__file__)
        names = ("ActiveSettingGroupChangedHandler", "EditSettingGroupChangedHandler")
        names += ("EditSettingGroupConfirmationHandler",)
        for name, callback in zip(names, self.kept, strict=True):
            setter = exported[f"IedServer_set{name}"]
            setter(*map(ctypes.c_void_p, (int(server), block)), callback, None)

    def put(self, attribute: Any, group: int) -> None:
        lib.IedServer_updateFloatAttributeValue(self.server, attribute, self.values[group])

    def activate(self, _: Any, block: Any, group: int, client: Any) -> bool:
        self.number = group
        self.put(self.active, group)
        return True

    def edit(self, _: Any, block: Any, group: int, client: Any) -> bool:
        if group:
            self.put(self.edited, group)
        return True

    def confirm(self, _: Any, block: Any, group: int) -> None:
        value = lib.IedServer_getFloatAttributeValue(self.server, self.edited)
        self.values[group] = value
        if group == self.number:
            self.put(self.active, group)
