"""A live Modbus channel: reads blocks, and around what a device refuses."""

import asyncio
import time
from collections.abc import Mapping

from drivers.modbus import pdu
from drivers.modbus.client import Client
from drivers.modbus.config import ModbusConfig, ModbusDevice, Network
from drivers.modbus.plan import Block, Item, Limits, rejoin
from drivers.modbus.poll import SILENT, Answer, Layout, Poll, Request
from drivers.modbus.silence import Silence
from drivers.modbus.write import Writer
from hub import Command, Link, LinkError, NoResponse, Point, ReadingBatch, Result, Session

RELEARN = 300.0  # seconds until what a device refused is asked for again
RELEARN_MUTE = 30.0
BUSY_PAUSE = 0.05
_POLLS = 512


class ModbusSession(Session):
    """See `hub.Session`. One request is on the way at any time."""

    def __init__(self, config: ModbusConfig, client: Client, link: Link) -> None:
        self._config, self._client, self._link = config, client, link
        self._devices: Mapping[str, ModbusDevice] = {d.name: d for d in config.devices}
        self._silence = Silence()
        self._polls: dict[int, Poll] = {}

    async def read(self, points: tuple[Point, ...]) -> ReadingBatch:
        """A batch in the order of `points`."""
        if not points:
            return ReadingBatch.empty()
        device = self._devices[points[0].device]
        poll = self._poll(points, device)
        if poll.relearn_at and time.monotonic() >= poll.relearn_at:
            poll.forget()
        layout = poll.layout
        answers = await self._blocks(device, layout)
        if any(answer.code for answer in answers):
            layout, answers = await self._cope(device, poll, layout, answers)
        elif poll.troubled and not poll.refused:
            self._well(device, poll)
        return poll.batch(layout, answers, self._link.now())

    async def operate(self, command: Command) -> Result:
        device = self._devices[command.point.device]
        return await Writer(self._client, device, self._timeout(device)).operate(command)

    def _poll(self, points: tuple[Point, ...], device: ModbusDevice) -> Poll:
        """The poll holds the tuple, so its id stays taken for as long as the entry lives."""
        poll = self._polls.get(id(points))
        if poll is None:
            if len(self._polls) >= _POLLS:
                self._polls.clear()
            limits = Limits(device.max_registers, device.max_bits, device.gap)
            poll = self._polls[id(points)] = Poll(points, limits)
        return poll

    def _timeout(self, device: ModbusDevice) -> float:
        return device.request_timeout or self._config.request_timeout

    async def _blocks(self, device: ModbusDevice, layout: Layout) -> list[Answer]:
        """One answer a block. Two silent blocks in a row end it: the rest counts as silent too."""
        answers: list[Answer] = []
        quiet = 0
        for request in layout.requests:
            if quiet == 2:
                answers.append(Answer(None, SILENT, self._link.now()))
                continue
            answer = await self._ask(device, request, patient=not quiet)
            quiet = quiet + 1 if answer.absent else 0
            answers.append(answer)
        if quiet and all(answer.absent for answer in answers):
            self._unanswered(device, answers[0].code)
        elif answers and self._silence.answered(device.unit):
            self._recovered(device)
        return answers

    def _unanswered(self, device: ModbusDevice, code: int) -> None:
        self._silence.unanswered(device.unit)
        if code == SILENT and isinstance(self._config, Network) and self._silence.is_sudden:
            raise LinkError(f"{self._client.peer}: several units fell silent at once")
        why = "is silent" if code == SILENT else pdu.name_of(code)
        raise NoResponse(f"{device.name} (unit {device.unit}) at {self._client.peer}: {why}")

    def _recovered(self, device: ModbusDevice) -> None:
        """What it refused before may have been its start-up, or another device by now."""
        for poll in self._polls.values():
            if poll.points[0].device == device.name:
                poll.relearn_at = min(poll.relearn_at, time.monotonic())

    async def _ask(self, device: ModbusDevice, request: Request, patient: bool = True) -> Answer:
        """One block. patient: repeat as often as configured; a silent unit gets one chance."""
        attempts = 1 + device.retries
        if not patient or self._silence.is_silent(device.unit):
            attempts = 1
        answer = Answer(None, SILENT, 0)
        for left in range(attempts - 1, -1, -1):
            answer = await self._once(device, request, attempts)
            if answer.code not in pdu.BUSY or not left:
                break
            await asyncio.sleep(BUSY_PAUSE)
        return answer

    async def _once(self, device: ModbusDevice, request: Request, attempts: int) -> Answer:
        try:
            answer, at = await self._client.transact(
                device.unit,
                request.pdu,
                timeout=self._timeout(device),
                size=request.size,
                attempts=attempts,
                pause=device.inter_frame_ms / 1000,
                device=device.name,
            )
        except NoResponse:
            return Answer(None, SILENT, self._link.now())
        if code := pdu.exception(answer):
            return Answer(None, code, at)
        if len(answer) != 2 + request.size or answer[1] != request.size:
            return Answer(None, pdu.MALFORMED, at)
        return Answer(answer[2:], 0, at)

    async def _cope(
        self, device: ModbusDevice, poll: Poll, layout: Layout, answers: list[Answer]
    ) -> tuple[Layout, list[Answer]]:
        """Learn from blocks that gave no values, and say so."""
        if any(answer.code in pdu.REFUSED for answer in answers):
            layout, answers = await self._narrow(device, poll, layout, answers)
        else:
            poll.note_mute(layout, answers, time.monotonic() + RELEARN_MUTE)
        words = _refusals(poll) if poll.refused else _troubles(layout, answers)
        if words:
            poll.troubled = True
            self._link.warn(device.name, words)
        return layout, answers

    def _well(self, device: ModbusDevice, poll: Poll) -> None:
        """A device has a poll for each period; its trouble is over when none of them has any."""
        poll.note_clean()
        if not any(p.troubled for p in self._polls.values() if p.points[0].device == device.name):
            self._link.clear(device.name)

    async def _narrow(
        self, device: ModbusDevice, poll: Poll, layout: Layout, answers: list[Answer]
    ) -> tuple[Layout, list[Answer]]:
        """Read around what was refused, and remember it, so that no neighbour goes blind."""
        parts: list[tuple[Block, Answer]] = []
        guilty: dict[Item, int] = {}
        following: list[Block] = []
        for request, answer in zip(layout.requests, answers, strict=True):
            if answer.code not in pdu.REFUSED:
                parts.append((request.block, answer))
                following.append(request.block)
                continue
            found: list[tuple[Block, Answer]] = []
            bad: dict[Item, int] = {}
            await self._split(device, request.block, answer, found, bad)
            parts += found
            guilty |= bad
            again = [block for block, _ in found]
            whole = request.block.rejoined or answer.code != pdu.Code.ILLEGAL_ADDRESS
            following += again if whole else rejoin(again, list(bad))
        wait = RELEARN if following else RELEARN_MUTE
        poll.learn(following, guilty, time.monotonic() + wait)
        return Layout(poll.addresses, [b for b, _ in parts]), [a for _, a in parts]

    async def _split(
        self,
        device: ModbusDevice,
        block: Block,
        refusal: Answer,
        found: list[tuple[Block, Answer]],
        guilty: dict[Item, int],
    ) -> None:
        """Bisect a refused block until only items are left that are refused by themselves."""
        if len(block.items) == 1 or refusal.code == pdu.Code.ILLEGAL_FUNCTION:
            guilty.update(dict.fromkeys(block.items, refusal.code))
            return
        for half in block.halves():
            answer = await self._ask(device, Request.of(half))
            if answer.code == SILENT:
                raise NoResponse(f"{device.name} (unit {device.unit}) fell silent at {half}")
            if answer.code in pdu.REFUSED:
                await self._split(device, half, answer, found, guilty)
            else:
                found.append((half, answer))


def _refusals(poll: Poll) -> str:
    rows = sorted(poll.refused)
    shown = ", ".join(f"{poll.points[r].spec.name} ({poll.points[r].address})" for r in rows[:5])
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return (
        f"refuses {shown}{more}: {pdu.name_of(poll.refused[rows[0]])}; asked again in {RELEARN:g} s"
    )


def _troubles(layout: Layout, answers: list[Answer]) -> str:
    words = [
        f"{request.block}: {'no answer' if answer.code == SILENT else pdu.name_of(answer.code)}"
        for request, answer in zip(layout.requests, answers, strict=True)
        if answer.code
    ]
    return "; ".join(words[:5])
