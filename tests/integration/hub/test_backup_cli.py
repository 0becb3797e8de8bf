"""`busbar backup` and `busbar restore` as an administrator meets them."""

import os
import subprocess
import sys
from pathlib import Path

from hub import Role
from hub.kernel.migrate import upgrade
from hub.kernel.registry import load


def busbar(env: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hub.cli", *args],
        capture_output=True, text=True, timeout=100, check=False, env={**os.environ, **env},
    )  # fmt: skip


def test_a_centre_moves_to_an_embedded_database(database: str, tmp_path: Path) -> None:
    upgrade(database, load(Role.CENTRAL, modules=("hub.kernel.central",))[0].values())
    old = {"DATABASE_URL": database, "BUSBAR_SITE__RUNTIME_ROOT": str(tmp_path / "old")}
    new = {"BUSBAR_SITE__RUNTIME_ROOT": str(tmp_path / "new")}
    made = busbar(old, "backup", str(tmp_path / "one"))
    assert made.returncode == 0, made.stderr
    assert "keys are not in it" in made.stdout
    (backup,) = (tmp_path / "one").iterdir()
    assert backup.stat().st_mode & 0o077 == 0
    assert all(p.stat().st_mode & 0o077 == 0 for p in backup.iterdir())
    back = busbar(new, "restore", str(backup))
    assert (back.returncode, "start the centre" in back.stdout) == (0, True), back.stderr
    again = busbar(new, "restore", str(backup))
    assert (again.returncode, "--replace" in again.stderr) == (1, True)
    again = busbar(new, "backup", str(tmp_path / "two"))
    assert again.returncode == 0, again.stderr
    rows = [line.partition(": ")[2].partition(" tables")[0] for line in (made.stdout, again.stdout)]
    assert rows[0] == rows[1]


def test_what_cannot_be_done_is_said_in_one_message(tmp_path: Path) -> None:
    env = {"BUSBAR_SITE__RUNTIME_ROOT": str(tmp_path)}
    done = busbar(env, "backup", str(tmp_path / "b"))
    assert (done.returncode, "no embedded database" in done.stderr) == (2, True)
    (tmp_path / "secret").write_text("short")
    done = busbar(env, "backup", str(tmp_path), "--passphrase-file", str(tmp_path / "secret"))
    assert (done.returncode, "too short" in done.stderr) == (2, True)
    assert "Traceback" not in done.stderr
