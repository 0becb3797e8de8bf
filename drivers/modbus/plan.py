"""Which blocks to read for a set of points. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from drivers.modbus.address import Address, Table
from drivers.modbus.pdu import MAX_REGISTERS


@dataclass(frozen=True, slots=True)
class Item:
    """A stretch that must be read in one piece, and the rows of the points that lie on it."""

    table: Table
    start: int
    end: int
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """One request. rejoined: made of parts that had been split; not joined a second time."""

    items: tuple[Item, ...]
    rejoined: bool = False

    @property
    def table(self) -> Table:
        return self.items[0].table

    @property
    def start(self) -> int:
        return self.items[0].start

    @property
    def end(self) -> int:
        return max(item.end for item in self.items)

    @property
    def count(self) -> int:
        return self.end - self.start

    @property
    def rows(self) -> tuple[int, ...]:
        return tuple(row for item in self.items for row in item.rows)

    def halves(self) -> "tuple[Block, Block]":
        """Both halves of a block of several items, none of them torn."""
        middle = len(self.items) // 2
        return Block(self.items[:middle]), Block(self.items[middle:])

    def __str__(self) -> str:
        return f"{self.table}:{self.start}+{self.count}"


@dataclass(frozen=True, slots=True)
class Limits:
    """registers, bits: most of them in one request. gap: unused ones read to save a request."""

    registers: int = MAX_REGISTERS
    bits: int = 2000
    gap: int = 8

    def of(self, table: Table) -> tuple[int, int]:
        """(most in one request, gap), in units of the table."""
        return (self.bits, 16 * self.gap) if table.of_bits else (self.registers, self.gap)


def items(addresses: Sequence[Address]) -> list[Item]:
    """Distinct stretches in order of table and address; the row is the place in `addresses`."""

    def stretch(row: int) -> tuple[Table, int, int]:
        address = addresses[row]
        return address.table, address.start, address.end

    rows = sorted(range(len(addresses)), key=stretch)
    return [Item(*where, tuple(same)) for where, same in groupby(rows, key=stretch)]


def blocks(stretches: Iterable[Item], limits: Limits) -> list[Block]:
    """Join neighbours as long as the limits allow. A single item is never cut."""
    done: list[Block] = []
    current: list[Item] = []
    end = 0
    for item in stretches:
        if current:
            most, gap = limits.of(item.table)
            fits = max(end, item.end) - current[0].start <= most
            if item.table is not current[0].table or item.start - end > gap or not fits:
                done.append(Block(tuple(current)))
                current, end = [], 0
        current.append(item)
        end = max(end, item.end)
    if current:
        done.append(Block(tuple(current)))
    return done


def rejoin(parts: Sequence[Block], guilty: Sequence[Item]) -> list[Block]:
    """Put parts of a split block together again where they touch and nothing refused overlaps.

    The cuts of a bisection fall anywhere; only those beside a refused register must stay.
    """
    joined: list[Block] = []
    for part in parts:
        before = joined[-1] if joined else None
        if before and part.start <= before.end and not _between(before, part, guilty):
            joined[-1] = Block(before.items + part.items, rejoined=True)
        else:
            joined.append(part)
    return joined


def _between(before: Block, after: Block, guilty: Sequence[Item]) -> bool:
    return any(bad.start < after.end and bad.end > before.start for bad in guilty)
