"""What `deploy/` says is true of this version: units, proxy, containers, broker."""

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from config import Settings
from config.environment import NAMED, overrides
from hub.cli import make_app
from tests.tools import nginx
from tests.tools.debian import Unavailable

DEPLOY = Path(__file__).parents[3] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())
CENTRES = ("central-1", "central-2", "worker")


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every `busbar …` of units and containers, with where it stands."""
    for path in UNITS:
        yield path.name, shlex.split(directives(path)["ExecStart"][0])[1:]
    for name in CENTRES:
        yield name, COMPOSE["services"][name]["command"]


def directives(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize(("where", "words"), list(commands()))
def test_every_command_is_one_of_ours(where: str, words: list[str]) -> None:
    group: Any = typer.main.get_command(make_app())
    command = group.commands[words[0]]
    assert command.make_context(words[0], words[1:]).params, where


@pytest.mark.parametrize("where", [*CENTRES, *(p.name for p in UNITS)])
def test_every_variable_is_one_of_ours(where: str) -> None:
    if where in CENTRES:
        given = {k: str(v) for k, v in COMPOSE["services"][where]["environment"].items()}
    else:
        lines = directives(DEPLOY / "systemd" / where).get("Environment", [])
        given = dict(line.split("=", 1) for line in lines)
    for name in given:
        assert name in NAMED or name.removesuffix("_FILE") in NAMED or name.startswith("BUSBAR_")
    _, _, faults = overrides(Settings, {k: v for k, v in given.items() if not k.endswith("_FILE")})
    assert faults == []


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
@pytest.mark.parametrize("unit", UNITS, ids=lambda p: p.stem)
def test_systemd_understands_a_unit_and_finds_it_confined(unit: Path, tmp_path: Path) -> None:
    for path in (DEPLOY / "systemd").iterdir():
        text = path.read_text().replace("/opt/busbar/bin/busbar", sys.executable)
        (tmp_path / path.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / unit.name],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert [line for line in done.stderr.splitlines() if "busbar" in line] == []
    if unit.stem != "busbar-backup":
        done = subprocess.run(
            ["systemd-analyze", "security", "--offline=yes", "--threshold=25", unit],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-300:]


def test_a_timer_starts_the_backup() -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(DEPLOY / "systemd/busbar-backup.timer")
    assert parser["Timer"]["OnCalendar"].endswith("UTC")
    assert (DEPLOY / "systemd/busbar-backup.service") in UNITS


def test_nginx_has_nothing_to_say_against_its_example(tmp_path: Path) -> None:
    try:
        nginx.certify(tmp_path)
        assert nginx.check(tmp_path, nginx.site(tmp_path, 8080, 8443, (8000, 8001))) == ""
    except Unavailable as reason:
        pytest.skip(str(reason))


def test_containers_have_the_secrets_networks_and_volumes_that_they_name() -> None:
    for name, service in COMPOSE["services"].items():
        assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"]), name
        assert set(service["networks"]) <= set(COMPOSE["networks"]), name
        assert set(service.get("depends_on", ())) <= set(COMPOSE["services"]), name
        for key, value in (service.get("environment") or {}).items():
            if key.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in service["secrets"], f"{name}: {key}"
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source.startswith("./") or source in COMPOSE["volumes"], name


def test_the_page_makes_every_file_that_containers_mount() -> None:
    page = (DEPLOY / "README.md").read_text()
    mounted = {
        volume.partition(":")[0].removeprefix("./")
        for service in COMPOSE["services"].values()
        for volume in service.get("volumes", ())
        if volume.startswith("./")
    }
    made = {name for name in mounted if re.search(rf"\b{re.escape(name)}\b", page)}
    there = {name for name in mounted if (DEPLOY / "compose" / name).exists()}
    assert made | there == mounted
    assert all(f"secrets/{name}" in page for name in COMPOSE["secrets"])


@pytest.mark.skipif(not shutil.which("docker"), reason="docker is not here")
def test_docker_understands_the_file() -> None:
    done = subprocess.run(
        ["docker", "compose", "-f", DEPLOY / "compose/compose.yaml", "config", "--quiet"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "is not a docker command" in done.stderr or "unknown shorthand" in done.stderr:
        pytest.skip("docker has no compose here")
    assert (done.returncode, done.stderr) == (0, "")
