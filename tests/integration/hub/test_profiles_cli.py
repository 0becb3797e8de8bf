from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from hub.kernel.profiles import SHIPPED
from hub.profiles_cli import add_commands


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    add_commands(made)
    made.command("other")(lambda: None)
    return made


def run(app: typer.Typer, *args: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["profiles", *args], env={"COLUMNS": "200"})
    return result.exit_code, result.output


def test_list_names_device_protocol_and_points(app: typer.Typer) -> None:
    code, output = run(app, "list")
    assert code == 0
    assert any(
        line.split()[0] == "eastron/sdm120" and line.split()[-2:] == ["modbus", "13"]
        for line in output.splitlines()
        if line.strip()
    )


def test_list_as_markdown_is_the_table_of_the_readme(app: typer.Typer) -> None:
    _, output = run(app, "list", "--markdown")
    assert output.strip() in (SHIPPED / "README.md").read_text()


def test_show_gives_addresses_units_and_source(app: typer.Typer) -> None:
    code, output = run(app, "show", "sunspec/model_203")
    assert code == 0
    assert "0.001 x 10^TotWh_SF" in output
    assert "json/model_203.json" in output


def test_show_of_an_unknown_profile_suggests_a_near_one(app: typer.Typer) -> None:
    code, output = run(app, "show", "eastron/sdm121")
    assert code == 1
    assert "did you mean eastron/sdm120" in output


def test_lint_passes_what_we_ship_and_names_the_line_of_a_fault(
    app: typer.Typer, tmp_path: Path
) -> None:
    code, output = run(app, "lint")
    assert (code, "no faults" in output) == (0, True)
    (tmp_path / "acme").mkdir()
    text = (SHIPPED / "eastron/sdm72.toml").read_text().replace("eastron/", "acme/")
    (tmp_path / "acme/sdm72.toml").write_text(text.replace('"ir:52"', '"ir:52", unit = "kW"'))
    code, output = run(app, "lint", "--folder", str(tmp_path))
    assert code == 1
    assert "sdm72.toml:8: power.active.total is in 'W', not 'kW'" in output.replace("\n", "")
