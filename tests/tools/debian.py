"""Programs out of Debian's packages for tests, nothing installed.

The packages are fetched through apt with a state of its own (the host's own mirror, signatures
checked), unpacked into a cache folder once, and run by the dynamic loader among them, so that the
libraries of the host do not matter.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

SUITE = "trixie"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Unavailable(Exception):
    """The program cannot be had on this machine."""


def unpacked(name: str, packages: Sequence[str], programs: str) -> Path:
    """The folder with the unpacked packages; fetched once for all test sessions.

    programs: the folder among them whose programs are to run. Raises Unavailable.
    """
    root = Path("/var/tmp") if os.geteuid() == 0 else Path.home() / ".cache"
    home = Path(os.environ.get("BUSBAR_TEST_CACHE", root / "busbar-tests"))
    home.mkdir(parents=True, exist_ok=True)
    prefix = home / name
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (prefix / ".ready").exists():
            missing = [tool for tool in ("apt-get", "dpkg-deb") if not shutil.which(tool)]
            if missing or not Path(KEYRING).exists():
                raise Unavailable("it comes from Debian packages: apt is not here")
            shutil.rmtree(prefix, ignore_errors=True)
            _fetch(home / "apt", prefix, packages)
            _wrap(prefix, programs)
            (prefix / ".ready").touch()
    return prefix


def _fetch(work: Path, prefix: Path, packages: Sequence[str]) -> None:
    shutil.rmtree(work, ignore_errors=True)
    for part in ("lists/partial", "cache/archives/partial", "etc", "state", "packages"):
        (work / part).mkdir(parents=True)
    (work / "status").touch()
    (work / "sources.list").write_text(f"deb [signed-by={KEYRING}] {_mirror()} {SUITE} main\n")
    (work / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "{work}/sources.list";\nDir::Etc::sourceparts "/dev/null";\n'
        f'Dir::Etc::preferencesparts "/dev/null";\nDir::State "{work}/state";\n'
        f'Dir::State::lists "{work}/lists";\nDir::State::status "{work}/status";\n'
        f'Dir::Cache "{work}/cache";\nAcquire::Languages "none";\nAcquire::Retries "3";\n'
        'APT::Sandbox::User "";\n'
    )
    settings = environment() | {"APT_CONFIG": str(work / "apt.conf")}
    for command in (["update"], ["download", *packages]):
        done = subprocess.run(
            ["apt-get", "-qq", *command], cwd=work / "packages", env=settings,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise Unavailable(f"packages: {done.stderr.strip()[-300:]}")
    for package in (work / "packages").glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, prefix], check=True)
    shutil.rmtree(work)


def _mirror() -> str:
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    sources = [line for line in done.stdout.splitlines() if "security" not in line]
    if not sources:
        raise Unavailable("it comes from Debian packages: apt knows no source")
    return sources[0]


def _wrap(prefix: Path, programs: str) -> None:
    """Put a script before each program that starts it by the loader among the packages."""
    loader = next(iter([*prefix.glob("usr/lib*/ld-linux-*"), *prefix.glob("usr/lib/*/ld-linux-*")]))
    libraries = next(prefix.glob("usr/lib/*/libz.so.1")).parent
    for program in (prefix / programs).iterdir():
        if program.read_bytes()[:4] != b"\x7fELF":
            continue
        real = program.rename(program.with_suffix(".real"))
        program.write_text(
            f'#!/bin/sh\nexec {loader} --argv0 {program} --library-path {libraries} {real} "$@"\n'
        )
        program.chmod(0o755)


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k not in {"LD_LIBRARY_PATH", "LD_PRELOAD"}}
