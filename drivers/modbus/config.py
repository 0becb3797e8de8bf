"""What a configuration file says of Modbus channels and devices."""

import enum
from typing import Annotated

from msgspec import Meta

from drivers.modbus.pdu import MAX_BITS, MAX_REGISTERS
from hub import ChannelConfig, DeviceConfig

Seconds = Annotated[float, Meta(gt=0)]


class ModbusDevice(DeviceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One unit.

    gap: unused registers that are read along to save a request. inter_frame_ms: least silence on
    the line before a request to this unit. request_timeout: instead of the channel's. retries: of
    reads only, a write is sent once.
    read_back: confirm a write by reading; without it a write that was answered counts as done.
    """

    unit: Annotated[int, Meta(ge=0, le=255)] = 1
    one_based: bool = False
    max_registers: Annotated[int, Meta(ge=1, le=MAX_REGISTERS)] = MAX_REGISTERS
    max_bits: Annotated[int, Meta(ge=1, le=MAX_BITS)] = MAX_BITS
    gap: Annotated[int, Meta(ge=0, le=MAX_REGISTERS)] = 8
    inter_frame_ms: Annotated[float, Meta(ge=0, le=10_000)] = 0.0
    retries: Annotated[int, Meta(ge=0, le=10)] = 1
    request_timeout: Seconds | None = None
    read_back: bool = True


class Parity(enum.StrEnum):
    NONE = "none"
    EVEN = "even"
    ODD = "odd"


class _Modbus(ChannelConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    devices: tuple[ModbusDevice, ...] = ()
    request_timeout: Seconds = 1.0


class _Network(_Modbus, frozen=True, kw_only=True, forbid_unknown_fields=True):
    host: str
    port: Annotated[int, Meta(ge=1, le=65535)] = 502


class ModbusTcp(_Network, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="modbus-tcp"):
    """MBAP frames over TCP (Messaging on TCP/IP Implementation Guide V1.0b)."""


class ModbusRtuOverTcp(
    _Network, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="modbus-rtu-over-tcp"
):
    """RTU frames through a transparent serial server."""


class _Serial(_Modbus, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """port: a device path or a pyserial URL. Defaults as in Serial Line V1.02, 2.5.1 and 3.2."""

    port: str
    baud: Annotated[int, Meta(ge=50)] = 19200
    parity: Parity = Parity.EVEN
    stop_bits: Annotated[int, Meta(ge=1, le=2)] = 1


class ModbusRtu(_Serial, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="modbus-rtu"):
    """Binary frames on a serial line."""

    @property
    def silence(self) -> float:
        """Seconds between frames: 3.5 characters, or 1.75 ms (Serial Line V1.02, 2.5.1.1)."""
        return 0.00175 if self.baud > 19200 else 3.5 * 11 / self.baud


class ModbusAscii(
    _Serial, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="modbus-ascii"
):
    """Hexadecimal frames on a serial line."""

    data_bits: Annotated[int, Meta(ge=7, le=8)] = 7
    silence = 0.0


Network = ModbusTcp | ModbusRtuOverTcp
Serial = ModbusRtu | ModbusAscii
ModbusConfig = Network | Serial
