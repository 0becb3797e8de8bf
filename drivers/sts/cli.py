"""`busbar sts`: issue, read and check tokens with test keys."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="STS prepayment tokens (IEC 62055-41).", no_args_is_help=True)

Pan = Annotated[str, typer.Option("--meter", help="MeterPAN (18 digits) or DRN (11 or 13).")]
Keys = Annotated[Path, typer.Option(help="TOML file of test keys.")]
TableFile = Annotated[
    Path | None, typer.Option("--ea07-tables", help="TOML file of EA07's tables.")
]
Group = Annotated[str, typer.Option("--sgc", help="Supply group code.")]
Revision = Annotated[int, typer.Option("--krn", min=1, max=9, help="Key revision number.")]
Index = Annotated[int, typer.Option("--ti", min=0, max=99, help="Tariff index.")]
Expiry = Annotated[int, typer.Option("--ken", min=0, max=255, help="Key expiry number.")]
Ea = Annotated[str, typer.Option("--ea", help="Encryption algorithm: 07 or 11.")]
Dkga = Annotated[str, typer.Option("--dkga", help="Key generation: 02 or 04.")]
Base = Annotated[int, typer.Option("--base", help="Base date: 1993, 2014 or 2035.")]


What = Annotated[
    str,
    typer.Argument(
        help="units, currency, clear-credit, clear-tamper, power-limit, phase-limit or test."
    ),
]


@app.command()
def issue(
    what: What,
    meter: Pan,
    keys: Keys,
    sgc: Group,
    value: Annotated[str, typer.Argument(help="kWh, money, register, W or control bits.")] = "",
    krn: Revision = 1,
    ti: Index = 1,
    ken: Expiry = 255,
    ea: Ea = "11",
    dkga: Dkga = "04",
    base: Base = 2014,
    service: Annotated[str, typer.Option(help="electricity, water, gas or time.")] = "electricity",
    at: Annotated[datetime | None, typer.Option(help="Time of issue, UTC; default now.")] = None,
    random: Annotated[int | None, typer.Option(min=0, max=15, help="Default: by chance.")] = None,
    transaction: Annotated[str, typer.Option(help="Asked for twice, it is the same token.")] = "",
    ledger: Annotated[
        Path | None, typer.Option(help="File that remembers what was issued.")
    ] = None,
    ea07_tables: TableFile = None,
) -> None:
    """Issue one token. Without --ledger nothing is remembered between two calls."""
    from . import commands

    with commands.told():
        order = commands.order(what, value, service)
        known = commands.meter(meter, sgc, krn, ti, ken, ea, dkga, base)
        module = commands.module(keys, ea07_tables)
        commands.issue(known, order, module, transaction, ledger, at, random)


@app.command()
def decode(
    token: Annotated[str, typer.Argument(help="20 digits; blanks are ignored.")],
    meter: Annotated[str, typer.Option(help="MeterPAN or DRN.")] = "",
    keys: Annotated[Path | None, typer.Option(help="TOML file of test keys.")] = None,
    sgc: Annotated[str, typer.Option("--sgc", help="Supply group code.")] = "",
    krn: Revision = 1,
    ti: Index = 1,
    ea: Ea = "11",
    dkga: Dkga = "04",
    base: Base = 2014,
    ea07_tables: TableFile = None,
) -> None:
    """Read a token as its meter would. Tests of class 1 need no key."""
    from . import commands

    with commands.told():
        if keys is None:
            commands.decode(token)
        else:
            known = commands.meter(meter, sgc, krn, ti, 255, ea, dkga, base)
            commands.decode(token, known, commands.module(keys, ea07_tables))


@app.command("key-change")
def key_change(
    meter: Pan,
    keys: Keys,
    sgc: Group,
    krn: Revision = 1,
    ti: Index = 1,
    ken: Expiry = 255,
    ea: Ea = "11",
    dkga: Dkga = "04",
    base: Base = 2014,
    to_sgc: Annotated[str | None, typer.Option(help="New supply group.")] = None,
    to_krn: Annotated[int | None, typer.Option(min=1, max=9, help="New revision.")] = None,
    to_ti: Annotated[int | None, typer.Option(min=0, max=99, help="New tariff index.")] = None,
    to_ken: Annotated[int | None, typer.Option(min=0, max=255, help="New expiry.")] = None,
    to_base: Annotated[int | None, typer.Option(help="New base date: rolls over.")] = None,
    ea07_tables: TableFile = None,
) -> None:
    """Issue the 2, 3 or 4 tokens that move a meter to another key."""
    from . import commands

    with commands.told():
        old = commands.meter(meter, sgc, krn, ti, ken, ea, dkga, base)
        new = commands.changed(old, to_sgc, to_krn, to_ti, to_ken, to_base)
        commands.change_key(old, new, commands.module(keys, ea07_tables))


@app.command()
def verify(
    vectors: Annotated[Path, typer.Option(help="CSV of published vectors.")],
    ea07_tables: TableFile = None,
) -> None:
    """Reproduce published tokens by the encoder and by the decoder. Exit code 1 if one fails."""
    from . import commands

    with commands.told():
        commands.verify(vectors, ea07_tables)
