"""Where each setting came from."""

from dataclasses import dataclass, field
from typing import NamedTuple

from config.faults import Fault, Path, dotted
from config.lines import Lines


class Source(NamedTuple):
    """channels: how many of them the files before this one have."""

    name: str
    lines: Lines
    channels: int = 0

    def line(self, path: Path) -> int | None:
        """The line of a path of the joined settings, if it stands in this file."""
        if len(path) > 1 and path[0] == "channels" and isinstance(path[1], int):
            path = ("channels", path[1] - self.channels, *path[2:])
        return self.lines.find(path)


@dataclass(frozen=True)
class Origin:
    """files: the strongest last. variables: path → environment variable."""

    files: tuple[Source, ...] = ()
    variables: dict[Path, str] = field(default_factory=dict)

    def place(self, path: Path) -> str:
        """`file:line` or the variable that set `path`, or the nearest that holds it."""
        for end in range(len(path), 0, -1):
            part = path[:end]
            if part in self.variables:
                return f"environment variable {self.variables[part]}"
            for source in reversed(self.files):
                if line := source.line(part):
                    return f"{source.name}:{line}"
        return self.files[-1].name if self.files else "defaults"

    def tell(self, faults: list[Fault]) -> list[str]:
        """One line a fault, in the order of the file: place, path, what is wrong."""
        return [
            f"{self.place(f.path)}: {dotted(f.path)}: {f.message}"
            if f.path
            else f"{self.place(())}: {f.message}"
            for f in sorted(faults, key=self._rank)
        ]

    def _rank(self, fault: Fault) -> tuple[str, int]:
        name, _, line = self.place(fault.path).rpartition(":")
        return (name, int(line)) if line.isdigit() else (line, 0)
