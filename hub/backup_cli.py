"""`busbar backup` and `busbar restore`: the centre's database and the keys that belong to it."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from config import Settings
    from hub.kernel.backup import Place

T = TypeVar("T")
Files = Annotated[
    list[Path] | None,
    typer.Option("-c", "--config", help="TOML file; may be repeated, the later wins."),
]
Passphrase = Annotated[
    Path | None,
    typer.Option(
        envvar="BUSBAR_BACKUP_PASSPHRASE_FILE", help="File with the passphrase of the keys."
    ),
]
Tools = Annotated[Path | None, typer.Option(help="Folder of pg_dump and pg_restore.")]


def add_commands(app: typer.Typer) -> None:
    """Add both to `app`."""
    app.command("backup")(backup)
    app.command("restore")(restore)


def backup(
    folder: Annotated[Path, typer.Argument(help="The backup becomes a new folder in it.")],
    config: Files = None,
    passphrase_file: Passphrase = None,
    tools: Tools = None,
) -> None:
    """Back up the centre's database while it runs."""
    from config import load
    from hub.kernel import backup_files
    from hub.kernel.backup import take

    with _told():
        settings = load(config or [], os.environ)
        passphrase = backup_files.passphrase_of(passphrase_file) if passphrase_file else ""
        done, manifest = asyncio.run(
            _at(settings, tools, make=False, work=lambda place: take(place, folder, passphrase))
        )
    size = sum(file.bytes for file in manifest.files.values())
    rows = sum(manifest.rows.values())
    typer.echo(f"{done}: {rows:,} rows of {len(manifest.rows)} tables, {size:,} bytes")
    if settings.auth.encryption_key:
        typer.echo("auth.encryption_key comes from the settings: keep it in another safe place")
    elif backup_files.KEYS not in manifest.files:
        typer.echo(
            f"keys are not in it: keep {settings.site.runtime_root}/*.key in another safe place,"
            " or give --passphrase-file to have them sealed in the backup"
        )
    typer.echo("the dump is not encrypted: it is readable by you alone, keep it so")


def restore(
    folder: Annotated[Path, typer.Argument(help="What `busbar backup` made.")],
    config: Files = None,
    passphrase_file: Passphrase = None,
    replace: Annotated[bool, typer.Option(help="Lose what is in the database now.")] = False,
    without_keys: Annotated[
        bool, typer.Option(help="Go on though sealed secrets will not open.")
    ] = False,
    tools: Tools = None,
) -> None:
    """Restore a backup into an empty database and bring its schema up to date."""
    from config import load
    from hub.kernel import backup as kernel
    from hub.kernel import backup_files

    with _told():
        settings = load(config or [], os.environ)
        passphrase = backup_files.passphrase_of(passphrase_file) if passphrase_file else ""
        manifest = asyncio.run(
            _at(
                settings, tools, make=True,
                work=lambda place: kernel.restore(
                    place, folder, passphrase, replace=replace, keyless=without_keys
                ),
            )
        )  # fmt: skip
    typer.echo(
        f"restored: {sum(manifest.rows.values()):,} rows of {len(manifest.rows)} tables,"
        f" as of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC; start the centre"
    )


async def _at(
    settings: "Settings", tools: Path | None, work: "Callable[[Place], T]", *, make: bool
) -> T:
    """Do work that blocks at the centre of these settings."""
    from hub.cli import owner_dsn
    from hub.contract.plugin import Role
    from hub.kernel.backup import Place
    from hub.kernel.run import make_hub

    plugins = tuple(make_hub(settings, Role.CENTRAL).plugins.values())
    async with owner_dsn(settings, make=make) as dsn:
        place = Place(
            dsn=dsn,
            runtime=Path(settings.site.runtime_root),
            plugins=plugins,
            key=settings.auth.encryption_key,
            tools=tools,
        )
        return await asyncio.to_thread(work, place)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turn what went wrong into a message: exit code 2 when nothing was begun, else 1."""
    import psycopg

    from config import Faults
    from hub.contract.errors import ConfigError
    from hub.kernel.backup_files import BadBackup
    from hub.kernel.pgtools import ToolFailed

    try:
        yield
    except (Faults, ConfigError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    except (BadBackup, ToolFailed, psycopg.Error, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
