"""`busbar profiles`: which devices are known, what is said of one, whether profiles are right."""

from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.contract.driver import Driver

Folders = Annotated[
    list[Path] | None,
    typer.Option("--folder", "-f", help="A folder of your own profiles; may be repeated."),
]


def add_commands(app: typer.Typer) -> None:
    """Add the group `profiles` to `app`."""
    group = typer.Typer(help="Device profiles: what can be read from which model, and from where.")
    group.command("list")(list_profiles)
    group.command("show")(show_profile)
    group.command("lint")(lint_profiles)
    app.add_typer(group, name="profiles")


def list_profiles(
    folder: Folders = None,
    markdown: Annotated[bool, typer.Option(help="As the table of the README.")] = False,
) -> None:
    """List the devices that Busbar knows."""
    from rich.console import Console
    from rich.table import Table

    from hub.kernel.profiles import SHIPPED, Profiles, table

    profiles = Profiles((SHIPPED, *(folder or ())))
    if markdown:
        typer.echo(table(profiles.all()))
        return
    shown = Table("profile", "device", "protocol", "points", box=None)
    for profile in profiles.all():
        title = profile.header.title
        shown.add_row(profile.code, title, profile.protocol, str(len(profile.points)))
    Console().print(shown)
    _complain([str(fault) for fault in profiles.faults])


def show_profile(code: str, folder: Folders = None) -> None:
    """Show one profile: its points, addresses, units and where the facts come from."""
    from rich.console import Console
    from rich.table import Table

    from hub.contract.errors import ConfigError
    from hub.kernel.profiles import SHIPPED, Profiles

    try:
        profile = Profiles((SHIPPED, *(folder or ()))).find(code)
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    header, console = profile.header, Console()
    console.print(f"{header.title}\n{header.manufacturer} {header.model}", highlight=False)
    console.print(f"protocol {header.protocol}, source: {header.reference}", highlight=False)
    shown = Table("point", "address", "type", "scale", "unit", "word order", box=None)
    for spec in profile.points:
        scale = f"{spec.scale:g}" + (f" x 10^{spec.scale_from}" if spec.scale_from else "")
        name = f"{spec.name} (control)" if spec.writable else spec.name
        shown.add_row(name, spec.address, spec.type, scale, spec.unit, spec.word_order)
    console.print(shown)


def lint_profiles(folder: Folders = None) -> None:
    """Check profiles, addresses by the installed drivers too; exit code 1 if there is a fault."""
    from hub.kernel.profiles import SHIPPED, Profiles, driver_check

    profiles = Profiles((SHIPPED, *(folder or ())), driver_check(_drivers()))
    _complain([str(fault) for fault in profiles.faults])
    if profiles.faults:
        raise typer.Exit(1)
    typer.echo(f"{len(profiles.all())} profiles, no faults")


def _drivers() -> dict[str, type[Driver[Any]]]:
    """The drivers of all installed plugins, by name."""
    found: dict[str, type[Driver[Any]]] = {}
    for entry in metadata.entry_points(group="busbar.plugins"):
        found |= entry.load().hub_plugin().drivers
    return found


def _complain(faults: list[str]) -> None:
    for fault in faults:
        typer.echo(fault, err=True)
