"""What waits in the inbox, joined into payloads of full frames. Pure."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np

from hub import Catalogue, ReadingBatch, Record, Stream

from .inbox import Item
from .log import Payload

FRAME_ROWS = 5_000
FRAME_TEXTS = 500
RECORDS_A_FRAME = 250
ENTRIES_A_RECORD = 250


def payloads(items: Sequence[tuple[Stream, Item]]) -> Iterator[tuple[Stream, Payload]]:
    """Frames' contents: all of the events stream in order, then telemetry."""
    run: list[Item] = []
    for stream, item in items:
        if stream is Stream.EVENTS:
            if run and isinstance(item, ReadingBatch) != isinstance(run[0], ReadingBatch):
                yield from _frames(Stream.EVENTS, run)
                run = []
            run.append(item)
    yield from _frames(Stream.EVENTS, run)
    yield from _frames(
        Stream.TELEMETRY, [item for stream, item in items if stream is Stream.TELEMETRY]
    )


def _frames(stream: Stream, run: Sequence[Item]) -> Iterator[tuple[Stream, Payload]]:
    batches = [item for item in run if isinstance(item, ReadingBatch) and len(item)]
    if batches:
        whole = join(batches)
        size = FRAME_TEXTS if whole.text else FRAME_ROWS
        for at in range(0, len(whole), size):
            yield stream, cut(whole, at, at + size)
    records: list[Record] = []
    for item in run:
        if isinstance(item, Catalogue):
            yield from _told(stream, records)
            records = []
            for portion in _portions(item):
                yield stream, [portion]
        elif isinstance(item, Record):
            records.append(item)
    yield from _told(stream, records)


def _told(stream: Stream, records: Sequence[Record]) -> Iterator[tuple[Stream, Payload]]:
    for at in range(0, len(records), RECORDS_A_FRAME):
        yield stream, records[at : at + RECORDS_A_FRAME]


def _portions(catalogue: Catalogue) -> Iterator[Catalogue]:
    for at in range(0, len(catalogue.points), ENTRIES_A_RECORD):
        yield Catalogue(at=catalogue.at, points=catalogue.points[at : at + ENTRIES_A_RECORD])


def join(batches: Sequence[ReadingBatch]) -> ReadingBatch:
    """One batch of many, in order."""
    if len(batches) == 1:
        return batches[0]
    text: dict[int, str] = {}
    at = 0
    for batch in batches:
        text.update({at + row: value for row, value in batch.text.items()})
        at += len(batch)
    return ReadingBatch(
        np.concatenate([batch.point for batch in batches]),
        np.concatenate([batch.time for batch in batches]),
        np.concatenate([batch.value for batch in batches]),
        np.concatenate([batch.quality for batch in batches]),
        text=text,
    )


def cut(batch: ReadingBatch, start: int, stop: int) -> ReadingBatch:
    """Rows start…stop-1."""
    if start == 0 and stop >= len(batch):
        return batch
    rows = slice(start, stop)
    return ReadingBatch(
        batch.point[rows],
        batch.time[rows],
        batch.value[rows],
        batch.quality[rows],
        text={row - start: value for row, value in batch.text.items() if start <= row < stop},
    )


class Translation:
    """From ids that were given while no file could be read to those that the file knows."""

    def __init__(self, moved: Mapping[int, int]) -> None:
        self._moved = dict(sorted(moved.items()))
        self._given = np.array(list(self._moved), np.uint32)
        self._real = np.array(list(self._moved.values()), np.uint32)

    def __call__(self, item: Item) -> Item:
        if not self._moved:
            return item
        if isinstance(item, ReadingBatch):
            at = np.minimum(np.searchsorted(self._given, item.point), len(self._given) - 1)
            point = np.where(self._given[at] == item.point, self._real[at], item.point)
            return ReadingBatch(point, item.time, item.value, item.quality, text=item.text)
        if isinstance(item, Catalogue):
            points = tuple(
                msgspec.structs.replace(entry, id=self._moved.get(entry.id, entry.id))
                for entry in item.points
            )
            return Catalogue(at=item.at, points=points)
        return item
