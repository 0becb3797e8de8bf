"""How figures are taken and shown: our speed beside a ceiling or a peer, in one run."""

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

console = Console(width=110)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """ours and ceiling in `unit` (more is better); goal: the ratio that we want to reach."""

    name: str
    ours: float
    ceiling: float
    unit: str
    against: str
    goal: float | None = None

    @property
    def ratio(self) -> float:
        return self.ours / self.ceiling


def machine() -> str:
    """Processor, cores and interpreter, as printed above every table."""
    cpu = "processor unknown"
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            x.split(":", 1)[1].strip() for x in info.read_text().splitlines() if "model name" in x
        ]
        cpu = names[0] if names else cpu
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{cpu}, {os.cpu_count()} cores, {system}"


def rate(work: Callable[[], int], *, runs: int = 3) -> float:
    """Median of what `work` returns per second of wall time."""
    rates = []
    for _ in range(runs):
        start = time.perf_counter()
        done = work()
        rates.append(done / (time.perf_counter() - start))
    return statistics.median(rates)


def report(title: str, figures: list[Figure]) -> None:
    """Print the table that benchmarks/README.md quotes."""
    console.print(f"\n[bold]{title}[/bold]\n{machine()}, load {os.getloadavg()[0]:.1f}")
    table = Table()
    for column in ("figure", "ours", "against", "theirs", "ratio", "goal"):
        table.add_column(column, justify="left" if column in {"figure", "against"} else "right")
    for f in figures:
        table.add_row(
            f.name,
            f"{f.ours:,.0f} {f.unit}",
            f.against,
            f"{f.ceiling:,.0f} {f.unit}",
            f"{f.ratio:.2f}",
            "" if f.goal is None else f"≥ {f.goal:g}",
        )
    console.print(table)
