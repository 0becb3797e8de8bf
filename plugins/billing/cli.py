"""`busbar billing …`."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Tariffs and what they cost.")


@app.callback()
def _billing() -> None:
    """Tariffs and what they cost."""


@app.command("check-examples")
def check_examples(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Holds tariffs.json and bill_examples.csv.", exists=True, file_okay=False
        ),
    ],
) -> None:
    """Compute printed bills again; exit 1 unless all agree within their tolerance."""
    import msgspec
    from rich.console import Console
    from rich.table import Table

    from .tariff.examples import check_folder

    table = Table()
    for title in ("tariff", "use", "figure", "computed", "printed", "±", ""):
        table.add_column(
            title, justify="right" if title in {"computed", "printed", "±"} else "left"
        )
    try:
        checks = list(check_folder(folder))
    except (OSError, ValueError, msgspec.MsgspecError) as e:
        typer.echo(f"{folder}: {e}", err=True)
        raise typer.Exit(2) from e
    console = Console(width=110)
    for c in checks:
        verdict = ("misprint" if c.misprint else "ok") if c.ok else "DIFFERS"
        computed = "" if c.computed is None else f"{c.computed.normalize():f}"
        tolerance = f"{c.example.tolerance:f}"
        given = c.example
        table.add_row(
            given.tariff_id, given.kwh, c.what, computed, given.expected, tolerance, verdict
        )
    console.print(table)
    for c in checks:
        if c.problem:
            console.print(f"{c.example.tariff_id}: {c.problem}", markup=False)
    for name, left in {c.example.tariff_id: c.left for c in checks if c.left}.items():
        console.print(f"{name}: not read: {'; '.join(left)}", markup=False, soft_wrap=True)
    good, misprints = sum(c.ok for c in checks), sum(c.misprint for c in checks)
    console.print(f"{good} of {len(checks)} examples agree, {misprints} of them a known misprint")
    raise typer.Exit(0 if checks and good == len(checks) else 1)
