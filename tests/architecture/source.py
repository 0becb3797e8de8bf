"""The repository's own files, as the architecture tests read them."""

import ast
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("hub", "plugins", "drivers", "sync", "api", "config", "simulators")


def tracked(*suffixes: str) -> list[Path]:
    """Files under version control, or all files of an unpacked source tree."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    names = (
        listed.stdout.splitlines()
        if listed.returncode == 0
        else [str(p.relative_to(ROOT)) for p in ROOT.rglob("*")]
    )
    return [p for n in names if (p := ROOT / n).suffix in suffixes and p.is_file()]


def modules(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    """Path within the repository and syntax tree of every module of these packages."""
    for path in tracked(".py"):
        name = path.relative_to(ROOT)
        if name.parts[0] in packages:
            yield str(name), ast.parse(path.read_text(), filename=str(name))


def settings() -> dict[str, object]:
    """`[tool.busbar]` of pyproject.toml: exceptions to the house rules, each with its reason."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        found: dict[str, object] = tomllib.load(file)["tool"].get("busbar", {})
    return found
