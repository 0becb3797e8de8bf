"""`busbar new-plugin` and `busbar check-plugin`: for those who write plugins."""

import keyword
import re
from pathlib import Path
from string import Template
from typing import Annotated

import typer

_NAME = re.compile(r"[a-z][a-z0-9]{1,30}")
_SCAFFOLD = Path(__file__).parent / "scaffold"


def add_commands(app: typer.Typer) -> None:
    """Add both to `app`."""
    app.command("new-plugin")(new_plugin)
    app.command("check-plugin")(check_plugin)


def new_plugin(
    name: Annotated[str, typer.Argument(help="Small letters and digits, as in its addresses.")],
    into: Annotated[Path, typer.Option(help="Where its folder is made.")] = Path(),
) -> None:
    """Write a plugin that works: a table, its endpoints, a migration, tests."""
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        _refuse(f"{name!r}: a name has 2 to 31 small letters and digits, a letter first")
    folder = into / f"busbar-{name}"
    if folder.exists():
        _refuse(f"{folder} exists already")
    for template in sorted(_SCAFFOLD.rglob("*.tmpl")):
        place = str(template.relative_to(_SCAFFOLD)).removesuffix(".tmpl")
        file = folder / place.replace("NAME", name)
        file.parent.mkdir(parents=True, exist_ok=True)
        text = Template(template.read_text(encoding="utf-8"))
        file.write_text(text.substitute(name=name, title=name.title()), encoding="utf-8")
    typer.echo(f"{folder}: now `pip install -e {folder}`, then `busbar check-plugin {name}`")


def check_plugin(
    name: Annotated[str, typer.Argument(help="An installed plugin, or a package to import.")],
    schema: Annotated[
        bool, typer.Option(help="Also migrate an empty database and compare it with the models.")
    ] = False,
) -> None:
    """Tell everything in which a plugin breaks the rules of the contract."""
    from hub.plugin_check import check

    faults = check(name, schema=schema)
    for fault in faults:
        typer.echo(fault, err=True)
    if faults:
        raise typer.Exit(1)
    typer.echo(f"ok: {name}")


def _refuse(message: str) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(2)
