"""A control as Modbus writes: sent once, then read back."""

import asyncio
from collections.abc import Callable

from drivers.modbus import pdu
from drivers.modbus.address import Address
from drivers.modbus.client import Client
from drivers.modbus.config import ModbusDevice
from drivers.modbus.encode import encode
from hub import Command, Invalid, LinkError, NoResponse, Outcome, Result

SETTLING = (0.0, 0.1, 0.4)  # seconds before each look at a device that has not yet taken the value


class _Refused(Exception):
    """The device answered with an exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(pdu.name_of(code))
        self.code = code


class Writer:
    """Writes to one device. A write is never repeated, whatever happens to its answer."""

    def __init__(self, client: Client, device: ModbusDevice, timeout: float) -> None:
        self._client, self._device, self._timeout = client, device, timeout

    async def operate(self, command: Command) -> Result:
        """DONE when the device holds the value afterwards, REJECTED with what it holds instead.

        TIMEOUT when the write was not answered, UNKNOWN when the link died after it was sent.
        """
        address: Address = command.point.address
        try:
            data = encode(command.point.spec, address, command.value)
        except Invalid as fault:
            return Result(outcome=Outcome.REJECTED, detail=str(fault))
        if command.test:
            return Result(outcome=Outcome.NOT_SUPPORTED, detail="Modbus has no test controls")
        try:
            await self._write(address, data)
        except _Refused as refusal:
            return _refusal(refusal.code)
        except NoResponse:
            held = await self._look(address)
            seen = f"; it holds {_show(address, held)}" if held is not None else ""
            return Result(outcome=Outcome.TIMEOUT, detail=f"the write was not answered{seen}")
        except LinkError as fault:
            return Result(outcome=Outcome.UNKNOWN, detail=str(fault))
        return await self._confirm(address, data)

    async def _write(self, address: Address, data: bytes) -> None:
        """With the function for many where the device lacks the one for single values."""
        if address.table.of_bits:
            on = bool(data[0])
            await self._first_known(
                pdu.write_coil(address.start, on), pdu.write_coils(address.start, [on])
            )
        elif address.bits:
            mask, value = _masked(address, data)
            await self._send(pdu.mask_register(address.start, mask, value))
        elif address.count == 1:
            await self._first_known(
                pdu.write_register(address.start, data), pdu.write_registers(address.start, data)
            )
        else:
            await self._send(pdu.write_registers(address.start, data))

    async def _first_known(self, single: bytes, multiple: bytes) -> None:
        try:
            await self._send(single)
        except _Refused as refusal:
            if refusal.code != pdu.Code.ILLEGAL_FUNCTION:
                raise
            await self._send(multiple)

    async def _send(self, request: bytes) -> None:
        answer = await self._transact(request)
        if not pdu.confirms(request, answer):
            raise _Refused(pdu.MALFORMED)

    async def _transact(self, request: bytes, size: int | None = None) -> bytes:
        answer, _ = await self._client.transact(
            self._device.unit,
            request,
            timeout=self._timeout,
            size=size,
            pause=self._device.inter_frame_ms / 1000,
            device=self._device.name,
        )
        if code := pdu.exception(answer):
            raise _Refused(code)
        return answer

    async def _confirm(self, address: Address, data: bytes) -> Result:
        if not self._device.read_back:
            return Result(outcome=Outcome.DONE, detail="answered; not read back")
        held: bytes | None = None
        for wait in SETTLING:
            await asyncio.sleep(wait)
            held = await self._look(address)
            if held is None:
                return Result(outcome=Outcome.ACCEPTED, detail="answered; cannot be read back")
            if _same(address, data, held):
                return Result(outcome=Outcome.DONE, detail=f"reads back {_show(address, held)}")
        assert held is not None  # noqa: S101 - SETTLING is not empty
        detail = f"the device holds {_show(address, held)}, not {_show(address, data)}"
        return Result(outcome=Outcome.REJECTED, detail=detail)

    async def _look(self, address: Address) -> bytes | None:
        """What the device holds now, None when it does not say."""
        size = pdu.read_size(address.table, address.count)
        request = pdu.read(address.table, address.start, address.count)
        try:
            answer = await self._transact(request, size)
        except (_Refused, NoResponse, LinkError):
            return None
        return answer[2:] if len(answer) == 2 + size else None


def _masked(address: Address, data: bytes) -> tuple[int, int]:
    """Mask and value as the register has them on the wire."""
    order: Callable[[int], int] = _swapped if address.swap_bytes else int
    return order(address.mask), int.from_bytes(data, "big")


def _swapped(word: int) -> int:
    return (word & 0xFF) << 8 | word >> 8


def _same(address: Address, data: bytes, held: bytes) -> bool:
    if address.table.of_bits:
        return data[0] == held[0] & 1
    if address.bits:
        mask, value = _masked(address, data)
        return int.from_bytes(held, "big") & mask == value
    if address.type == "bool":
        return any(data) == any(held)
    return data == held


def _show(address: Address, data: bytes) -> str:
    if address.table.of_bits:
        return str(data[0] & 1)
    return "0x" + data.hex()


def _refusal(code: int) -> Result:
    if code == pdu.Code.ACKNOWLEDGE:
        return Result(outcome=Outcome.ACCEPTED, detail=pdu.name_of(code))
    if code == pdu.Code.ILLEGAL_FUNCTION:
        return Result(outcome=Outcome.NOT_SUPPORTED, detail=pdu.name_of(code))
    if code in pdu.ABSENT:
        return Result(outcome=Outcome.TIMEOUT, detail=pdu.name_of(code))
    if code == pdu.MALFORMED:
        return Result(outcome=Outcome.UNKNOWN, detail=pdu.name_of(code))
    return Result(outcome=Outcome.REJECTED, detail=pdu.name_of(code))
