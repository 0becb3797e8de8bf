"""A plugin that is not ours: written by the command, built, installed beside, used, removed."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import psycopg
import pytest

USE = """
import json, sys
from hub.kernel.migrate import required, upgrade
from hub.kernel.registry import load
plugins, _ = load()
upgrade(sys.argv[1], plugins.values())
print(json.dumps({"plugins": sorted(plugins), "versions": sorted(required(plugins.values()))}))
"""


class Beside:
    """An environment of its own that sees all that this one has."""

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.python = folder / "bin" / "python"
        site = next((folder / "lib").glob("python*/site-packages"))
        own = sysconfig.get_path("purelib")
        (site / "seen.pth").write_text(f"import site; site.addsitedir({own!r})\n")

    def run(self, *arguments, cwd=None, code=0):
        done = subprocess.run(
            [self.python, *arguments],
            check=False,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=110,
            env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INDEX": "1"},
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def busbar(self, *arguments, **options):
        return self.run("-m", "hub.cli", *arguments, **options)


@pytest.fixture(scope="module")
def beside(tmp_path_factory) -> Beside:
    return Beside(tmp_path_factory.mktemp("beside") / "venv")


@pytest.fixture(scope="module")
def parking(beside, tmp_path_factory) -> Path:
    """The folder of a plugin that was just written and installed."""
    into = tmp_path_factory.mktemp("parking")
    beside.busbar("new-plugin", "parking", "--into", str(into))
    folder = into / "busbar-parking"
    install = ("install", "--no-deps", "--no-build-isolation", "--quiet")
    beside.run("-m", "pip", *install, str(folder))
    return folder


def used(beside, dsn):
    return json.loads(beside.run("-c", USE, dsn).splitlines()[-1])


def test_it_keeps_the_rules_and_its_tables_are_its_models(beside, parking):
    assert "ok: parking" in beside.busbar("check-plugin", "parking", "--schema")


def test_its_own_tests_run_on_the_fixtures_that_ship(beside, parking):
    assert "3 passed" in beside.run("-m", "pytest", "-q", "tests", cwd=parking)


def test_it_comes_goes_and_comes_back_with_its_rows(beside, parking, database, tmp_path):
    assert "parking" in used(beside, database)["plugins"]
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO parking_item (tenant, id, code, name, status, revision, created_at,"
            " updated_at) VALUES (gen_random_uuid(), gen_random_uuid(), 'A', 'a', 'active', 1,"
            " now(), now())"
        )
    beside.run("-m", "pip", "uninstall", "--yes", "--quiet", "busbar-parking")
    without = used(beside, database)
    assert "parking" not in without["plugins"]
    with psycopg.connect(database) as connection:
        versions = {v for (v,) in connection.execute("SELECT version_num FROM alembic_version")}
    assert versions == set(without["versions"])
    assert "no plugin" in beside.busbar("check-plugin", "parking", code=1) or "import" in (
        beside.busbar("check-plugin", "parking", code=1)
    )
    install = ("install", "--no-deps", "--no-build-isolation", "--quiet")
    beside.run("-m", "pip", *install, str(parking))
    assert "parking_0001" in used(beside, database)["versions"]
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM parking_item").fetchone() == (1,)


@pytest.mark.parametrize("name", ["Parking", "p", "1st", "../x", "class", "a-b"])
def test_a_name_that_cannot_be_a_package_is_refused(beside, tmp_path, name):
    beside.busbar("new-plugin", name, "--into", str(tmp_path), code=2)
    assert list(tmp_path.iterdir()) == []
