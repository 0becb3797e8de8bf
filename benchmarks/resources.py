"""How long 75 resources of ten fields take from declaration to routes and OpenAPI document."""

import statistics
import time
from typing import Any

import msgspec
from aiohttp import web
from sqlalchemy.orm import Mapped

from api import openapi, resources
from benchmarks.figures import console, machine
from hub import Entity, Instant, Label, Measured, Name, Plugin, Resource, Small, col

COUNT, ROUNDS = 75, 5


def model(table: str) -> type[Entity]:
    """A table of ten columns beside those that each has."""
    columns: dict[str, Any] = {f"name{n}": Mapped[Name] for n in range(2)}
    columns |= {f"label{n}": Mapped[Label | None] for n in range(3)}
    columns |= {f"count{n}": Mapped[Small] for n in range(2)}
    columns |= {"value0": Mapped[Measured], "value1": Mapped[Measured | None]}
    columns["at"] = Mapped[Instant | None]
    made = {name: col() for name in columns}
    return type(
        table.title().replace("_", ""),
        (Entity,),
        {"__tablename__": table, "__annotations__": columns, "__module__": __name__, **made},
    )


def build(number: int) -> float:
    start = time.process_time()
    made = [
        Resource(name=f"things{n}", model=model(f"bench{number}_thing{n}"), sort=("name0",))
        for n in range(COUNT)
    ]
    for res in made:
        res.plugin = f"bench{number}"
    plugin = Plugin(name=f"bench{number}", resources=tuple(made))
    app = web.Application()
    for res in made:
        resources.add(app, res)
    msgspec.json.encode(openapi.document([plugin]))
    return time.process_time() - start


def main() -> None:
    """Print the median of some rounds, each with tables of its own. Waiting is not counted."""
    took = statistics.median(build(n) for n in range(ROUNDS))
    console.print(f"\n[bold]resources[/bold]\n{machine()}")
    shown = f"{took * 1e3:.0f} ms of processor (goal 1 s)"
    console.print(f"{COUNT} resources, from declaration to OpenAPI: {shown}")
