"""A real PostgreSQL with TimescaleDB for tests, out of Debian's packages, nothing installed.

PostgreSQL refuses to run as root: then it runs as `postgres` or `nobody`.
"""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.tools.debian import SUITE, Unavailable, environment, unpacked

VERSION = "17"
BIN = f"usr/lib/postgresql/{VERSION}/bin"
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


@dataclass(frozen=True)
class Server:
    """A running server. dsn: of its superuser on the database `postgres`."""

    dsn: str
    _stop: tuple[str, ...]

    def stop(self) -> None:
        subprocess.run(self._stop, check=True, capture_output=True, cwd="/", env=environment())


def start(folder: Path) -> Server:
    """Run a fresh server whose data live in `folder`, or Unavailable with the reason."""
    prefix = unpacked(f"timescale-{SUITE}-{VERSION}", PACKAGES, BIN)
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


def _command(prefix: Path, user: str, program: str, *arguments: str) -> Sequence[str]:
    path = str(prefix / BIN / program)
    become = []
    if user:
        entry = pwd.getpwnam(user)
        become = ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
    return [*become, path, *arguments]


def _run(prefix: Path, user: str, program: str, *arguments: str, quiet: bool = False) -> None:
    sink = subprocess.DEVNULL if quiet else subprocess.PIPE
    done = subprocess.run(
        _command(prefix, user, program, *arguments), cwd="/", env=environment(),
        stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Unavailable(f"{program} of TimescaleDB failed: {(done.stderr or '').strip()[-300:]}")
