"""How live values and a value's way look in a terminal."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from hub.contract.readings import FLAG_MASK, STAMP_MASK, VALIDITY_MASK, Flag, Stamp, Validity


def words(quality: int | None) -> str:
    """A quality word as a person reads it: `invalid comm_lost (gateway clock)`."""
    if quality is None:
        return "no reading yet"
    flags = [f.name or "" for f in Flag if f and f & quality & FLAG_MASK]
    stamp = Stamp(quality & STAMP_MASK).name.lower() if quality & STAMP_MASK else "gateway"
    parts = [Validity(quality & VALIDITY_MASK).name, *flags]
    return f"{' '.join(parts).lower()} ({stamp} clock)"


def table(points: Sequence[dict[str, Any]]) -> Table:
    """Live values; stale ones are dim."""
    view = Table(box=None, pad_edge=False)
    for column in ("point", "value", "unit", "age", "quality"):
        view.add_column(column, justify="right" if column in {"value", "age"} else "left")
    for p in points:
        age = p.get("age")
        view.add_row(
            p["key"],
            show(p.get("value")),
            p["unit"],
            "–" if age is None else f"{age:.1f} s",
            words(p.get("quality")),
            style="dim" if p["stale"] else "",
        )
    return view


def show(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,.6g}" if isinstance(value, float) else str(value)


def story(found: dict[str, Any]) -> Group:
    """What `/explain` tells, from the wire to the store."""
    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="bold")
    grid.add_column()
    spec, now = found["spec"], found["now"]
    for frame in found["wire"]:
        arrow = "→" if frame["sent"] else "←"
        grid.add_row(
            f"wire {clock(frame['at'])}", f"{arrow} {frame['hex']} {frame['note']}".strip()
        )
        for line in frame.get("lines", ()):
            grid.add_row("", Text(line))
    grid.add_row("decoded", f"{show(found['raw'])}   {spec['address']} {spec.get('type', '')}")
    grid.add_row("scaled", f"× {spec.get('scale', 1.0):g} + {spec.get('offset', 0.0):g}")
    grid.add_row("value", f"{show(now.get('value'))} {now['unit']}")
    grid.add_row("quality", words(now.get("quality")))
    if "time" in now:
        grid.add_row("time", f"{clock(now['time'])}, {now['age']:.1f} s ago")
    grid.add_row("stale", "yes" if now["stale"] else "no")
    grid.add_row("period", f"{show(found['achieved'])} s of {show(found['every'])} s")
    grid.add_row("channel", f"{found['channel']} is {found['state']}")
    grid.add_row(
        "stored",
        "local id {id}; buffer at {committed}, centre at {acknowledged}".format(
            id=now["id"], **found["buffer"]
        ),
    )
    place = found["place"]
    grid.add_row("frame", "not on disk yet" if place is None else where(place))
    return Group(Text(f"{now['key']}  {spec.get('description', '')}"), grid)


def where(place: dict[str, Any]) -> str:
    """Row and frame of a reading, and whether the centre has it."""
    state = "stored at the centre" if place["acknowledged"] else "waits for the centre"
    return f"row {place['row']} of frame {place['seq']} in {place['stream']}, {state}"


def clock(at: int) -> str:
    """µs since 1970 as UTC to the millisecond."""
    when = dt.datetime.fromtimestamp(at / 1e6, dt.UTC)
    return when.isoformat(" ", "milliseconds").removesuffix("+00:00") + "Z"
