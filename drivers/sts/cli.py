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


@app.command()
def issue(
    meter: Pan,
    keys: Keys,
    sgc: Group,
    krn: Revision = 1,
    ti: Index = 1,
    ken: Expiry = 255,
    ea: Ea = "11",
    dkga: Dkga = "04",
    base: Base = 2014,
    units: Annotated[str | None, typer.Option(help="kWh, m3 or minutes to credit.")] = None,
    currency: Annotated[str | None, typer.Option(help="Money to credit instead.")] = None,
    service: Annotated[str, typer.Option(help="electricity, water, gas or time.")] = "electricity",
    clear_credit: Annotated[
        int | None, typer.Option(help="Register to clear; 65535 = all.")
    ] = None,
    clear_tamper: bool = False,
    power_limit: Annotated[int | None, typer.Option(help="Watts.")] = None,
    phase_limit: Annotated[int | None, typer.Option(help="Phase unbalance, watts.")] = None,
    test: Annotated[int | None, typer.Option(help="Control bits of a class 1 test.")] = None,
    at: Annotated[datetime | None, typer.Option(help="Time of issue, UTC; default now.")] = None,
    random: Annotated[int | None, typer.Option(min=0, max=15, help="Default: by chance.")] = None,
    transaction: Annotated[
        str, typer.Option(help="Your reference; asked twice = same token.")
    ] = "",
    ledger: Annotated[
        Path | None, typer.Option(help="File that remembers what was issued.")
    ] = None,
    ea07_tables: TableFile = None,
) -> None:
    """Issue one token. Without --ledger nothing is remembered between two calls."""
    from . import commands

    with commands.told():
        order = commands.order(
            service,
            units=units,
            currency=currency,
            clear_credit=clear_credit,
            clear_tamper=clear_tamper,
            power_limit=power_limit,
            phase_limit=phase_limit,
            test=test,
        )
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
