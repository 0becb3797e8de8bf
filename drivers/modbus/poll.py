"""One device's set of points as it is polled: its blocks, and what the device has refused."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from drivers.modbus import pdu
from drivers.modbus.address import Address
from drivers.modbus.decode import Decoder, Qualities, Values
from drivers.modbus.plan import Block, Item, Limits, blocks, items
from hub import LOST, Cause, Point, ReadingBatch


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one block. data: None unless its values came. at: µs since 1970 UTC.

    code: 0, an exception code, `MALFORMED`, or -1 when nothing came in time.
    """

    data: bytes | None
    code: int
    at: int

    @property
    def absent(self) -> bool:
        """Nothing was heard of the unit itself."""
        return self.code == SILENT or self.code in pdu.ABSENT


SILENT = -1
MUTE = 3  # polls


@dataclass(frozen=True, slots=True)
class Request:
    block: Block
    pdu: bytes
    size: int

    @classmethod
    def of(cls, block: Block) -> "Request":
        return cls(
            block,
            pdu.read(block.table, block.start, block.count),
            pdu.read_size(block.table, block.count),
        )


class Layout:
    """Requests in order and the decoder made for them."""

    def __init__(self, addresses: Sequence[Address], parts: Sequence[Block]) -> None:
        self.requests = [Request.of(part) for part in parts]
        self.decoder = Decoder(addresses, parts)


@lru_cache(maxsize=64)
def layout_of(addresses: tuple[Address, ...], limits: Limits) -> Layout:
    """All that is asked for; one for all meters of a make."""
    return Layout(addresses, blocks(items(addresses), limits))


class Poll:
    """refused: rows that the device does not have, with the exception code that said so.

    troubled: the device was warned of because of this poll.
    """

    def __init__(self, points: tuple[Point, ...], limits: Limits) -> None:
        self.points = points
        self.ids = np.array([point.id for point in points], np.uint32)
        self.refused: dict[int, int] = {}
        self.relearn_at = 0.0
        self.troubled = False
        self._mute: Counter[Block] = Counter()
        self.addresses: tuple[Address, ...] = tuple(point.address for point in points)
        self._limits = limits
        self.layout = layout_of(self.addresses, limits)

    def forget(self) -> None:
        """Ask for everything again at the next poll."""
        if self.relearn_at:
            self.refused, self.relearn_at = {}, 0.0
            self.layout = layout_of(self.addresses, self._limits)

    def learn(self, parts: Sequence[Block], guilty: Mapping[Item, int], relearn_at: float) -> None:
        """From now on read only `parts`; the rows of `guilty` items are refused."""
        for item, code in guilty.items():
            self.refused.update(dict.fromkeys(item.rows, code))
        self.relearn_at = self.relearn_at or relearn_at
        self.layout = Layout(self.addresses, parts)

    def note_clean(self) -> None:
        """All blocks gave values."""
        self.troubled = False
        self._mute.clear()

    def note_mute(self, layout: Layout, answers: Sequence[Answer], relearn_at: float) -> None:
        """A block that is never answered, though others are, is asked for only now and then."""
        for request, answer in zip(layout.requests, answers, strict=True):
            if answer.code == SILENT:
                self._mute[request.block] += 1
        mute = [block for block, times in self._mute.items() if times >= MUTE]
        if mute:
            heard = [request.block for request in layout.requests if request.block not in mute]
            guilty = {item: SILENT for block in mute for item in block.items}
            self._mute.clear()
            self.learn(heard, guilty, relearn_at)

    def batch(self, layout: Layout, answers: Sequence[Answer], now: int) -> ReadingBatch:
        """Columns in the order of the points. Values that did not come are NaN and INVALID."""
        decoder = layout.decoder
        parts = [
            bytes(size) if answer.data is None else answer.data
            for answer, size in zip(answers, decoder.sizes, strict=True)
        ]
        values, qualities, texts = decoder.decode(parts)
        times = np.empty(len(self.points), np.int64)
        times.fill(answers[0].at if answers else now)
        for answer, rows in zip(answers, decoder.rows, strict=True):
            if answer is not answers[0]:
                times[rows] = answer.at
            if answer.data is None:
                _void(values, qualities, texts, rows.tolist(), answer.code)
        for row, code in self.refused.items():
            qualities[row] = _quality(code)
        return ReadingBatch(self.ids, times, values, qualities, Cause.POLL, texts)


def _void(
    values: Values, qualities: Qualities, texts: dict[int, str], rows: list[int], code: int
) -> None:
    values[rows] = np.nan
    qualities[rows] = _quality(code)
    for row in rows:
        texts.pop(row, None)


def _quality(code: int) -> int:
    return LOST if code == SILENT else pdu.quality_of(code)
