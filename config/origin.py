"""Where each setting came from."""

from dataclasses import dataclass, field

from config.faults import Fault, Path, dotted
from config.lines import Lines


@dataclass(frozen=True)
class Origin:
    """files: name and positions, the strongest last. variables: path → environment variable."""

    files: tuple[tuple[str, Lines], ...] = ()
    variables: dict[Path, str] = field(default_factory=dict)

    def place(self, path: Path) -> str:
        """`file:line` or the variable that set `path`, or the nearest that holds it."""
        for end in range(len(path), 0, -1):
            part = path[:end]
            if part in self.variables:
                return f"environment variable {self.variables[part]}"
            for name, lines in reversed(self.files):
                if line := lines.find(part):
                    return f"{name}:{line}"
        return self.files[-1][0] if self.files else "defaults"

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
