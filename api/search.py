"""One search over all resources that can be searched and that the caller may list."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from hub import Actor, Resource
from hub.kernel import crud
from hub.kernel.reads import Reader

LEAST, MOST, EACH = 2, 100, 5
_AT_ONCE = 4


class Search(msgspec.Struct, kw_only=True):
    q: Annotated[str, Meta(min_length=LEAST, max_length=MOST)]


class Match(msgspec.Struct):
    """title: how people call the row. detail: its other name, where it has one."""

    id: UUID
    title: str
    detail: str


class Matches(msgspec.Struct):
    """What was found in one resource. total: how many rows there match."""

    key: str
    total: int
    items: list[Match]


class Result(msgspec.Struct):
    items: list[Matches]


async def search(
    reader: Reader, actor: Actor, resources: Sequence[tuple[str, Resource[Any], str]], text: str
) -> Result:
    """The first matching rows of each (key, resource, display field), in their order."""
    few = asyncio.Semaphore(_AT_ONCE)

    async def look(key: str, res: Resource[Any], display: str) -> Matches:
        async with few:
            page = await crud.list_(reader, actor, res, [("q", text), ("limit", str(EACH))])
        rows = [_match(row, display, res.search) for row in page.items]
        return Matches(key=key, total=page.total or 0, items=rows)

    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(look(*one)) for one in resources]
    return Result([found for task in asked if (found := task.result()).items])


def _match(row: Any, display: str, searched: Sequence[str]) -> Match:
    title = str(getattr(row, display))
    others = (str(getattr(row, name, None) or "") for name in searched if name != display)
    return Match(row.id, title, next((text for text in others if text != title), ""))
