"""A real PostgreSQL with TimescaleDB for tests, out of Debian's packages, nothing installed.

The packages are fetched through apt with a state of its own (the host's own mirror, signatures
checked), unpacked into a cache folder once, and run by the dynamic loader among them, so that the
libraries of the host do not matter. PostgreSQL refuses to run as root: then it runs as `postgres`
or `nobody`.
"""

import fcntl
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SUITE, VERSION = "trixie", "17"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
PACKAGES = f"""
    postgresql-{VERSION} postgresql-{VERSION}-timescaledb libc6 libgcc-s1 libstdc++6 zlib1g libzstd1
    liblz4-1 liblzma5 libssl3t64 libxml2 libicu76 libpam0g libaudit1 libcap-ng0 libcap2 libselinux1
    libpcre2-8-0 libsystemd0 libpq5 libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0
    libkeyutils1 libcom-err2 libldap2 libsasl2-2 libuuid1 libxslt1.1 libgcrypt20 libgpg-error0
""".split()
SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = off
timezone = 'UTC'
jit = off
shared_buffers = 256MB
max_wal_size = 2GB
max_worker_processes = 12
max_locks_per_transaction = 256
"""


class Unavailable(Exception):
    """No TimescaleDB can be had on this machine."""


@dataclass(frozen=True)
class Server:
    """A running server. dsn: of its superuser on the database `postgres`."""

    dsn: str
    _stop: tuple[str, ...]

    def stop(self) -> None:
        subprocess.run(self._stop, check=True, capture_output=True, cwd="/", env=_environment())


def start(folder: Path) -> Server:
    """Run a fresh server whose data live in `folder`, or Unavailable with the reason."""
    prefix = _unpacked()
    user = _user()
    data = folder / "data"
    data.mkdir(mode=0o700)
    if user:
        shutil.chown(data, user)
        for parent in data.parents:
            if not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o001)
    _run(prefix, user, "initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "--locale=C",
         "-E", "UTF8", "--no-sync")  # fmt: skip
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (data / "postgresql.conf").open("a") as file:
        file.write(SETTINGS + f"port = {port}\n")
    control = ("pg_ctl", "-D", str(data), "-w", "-t", "60")
    # not captured: the server would keep the pipe open
    _run(prefix, user, *control, "-l", str(data / "log"), "start", quiet=True)
    stop = tuple(_command(prefix, user, *control, "-m", "fast", "stop"))
    return Server(f"postgresql://postgres@127.0.0.1:{port}/postgres", stop)


def _unpacked() -> Path:
    """The folder with the unpacked packages; fetched once for all test sessions."""
    root = Path("/var/tmp") if os.geteuid() == 0 else Path.home() / ".cache"
    home = Path(os.environ.get("BUSBAR_TEST_CACHE", root / "busbar-tests"))
    home.mkdir(parents=True, exist_ok=True)
    prefix = home / f"timescale-{SUITE}-{VERSION}"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (prefix / ".ready").exists():
            missing = [tool for tool in ("apt-get", "dpkg-deb") if not shutil.which(tool)]
            if missing or not Path(KEYRING).exists():
                raise Unavailable("TimescaleDB comes from Debian packages: apt is not here")
            shutil.rmtree(prefix, ignore_errors=True)
            _fetch(home / "apt", prefix)
            (prefix / ".ready").touch()
    return prefix


def _fetch(work: Path, prefix: Path) -> None:
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
    environment = _environment() | {"APT_CONFIG": str(work / "apt.conf")}
    for command in (["update"], ["download", *PACKAGES]):
        done = subprocess.run(
            ["apt-get", "-qq", *command], cwd=work / "packages", env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise Unavailable(f"TimescaleDB's packages: {done.stderr.strip()[-300:]}")
    for package in (work / "packages").glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, prefix], check=True)
    shutil.rmtree(work)
    _wrap(prefix)


def _mirror() -> str:
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    sources = [line for line in done.stdout.splitlines() if "security" not in line]
    if not sources:
        raise Unavailable("TimescaleDB comes from Debian packages: apt knows no source")
    return sources[0]


def _wrap(prefix: Path) -> None:
    """Put a script before each program that starts it by the loader among the packages."""
    loader = next(iter([*prefix.glob("usr/lib*/ld-linux-*"), *prefix.glob("usr/lib/*/ld-linux-*")]))
    libraries = next(prefix.glob("usr/lib/*/libpq.so.5")).parent
    for program in (prefix / f"usr/lib/postgresql/{VERSION}/bin").iterdir():
        if program.read_bytes()[:4] != b"\x7fELF":
            continue
        real = program.rename(program.with_suffix(".real"))
        program.write_text(
            f'#!/bin/sh\nexec {loader} --argv0 {program} --library-path {libraries} {real} "$@"\n'
        )
        program.chmod(0o755)


def _user() -> str:
    """Whom to become: nobody of note unless we are root."""
    if os.geteuid() != 0:
        return ""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise Unavailable("PostgreSQL does not run as root, and there is no other user")


def _environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k not in {"LD_LIBRARY_PATH", "LD_PRELOAD"}}


def _command(prefix: Path, user: str, program: str, *arguments: str) -> Sequence[str]:
    path = str(prefix / f"usr/lib/postgresql/{VERSION}/bin" / program)
    become = []
    if user:
        entry = pwd.getpwnam(user)
        become = ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
    return [*become, path, *arguments]


def _run(prefix: Path, user: str, program: str, *arguments: str, quiet: bool = False) -> None:
    sink = subprocess.DEVNULL if quiet else subprocess.PIPE
    done = subprocess.run(
        _command(prefix, user, program, *arguments), cwd="/", env=_environment(),
        stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Unavailable(f"{program} of TimescaleDB failed: {(done.stderr or '').strip()[-300:]}")
