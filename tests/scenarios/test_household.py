"""A recorded household, from a real meter's register to the history that a person asks for."""

import asyncio
import csv
import datetime as dt
import gzip
import itertools
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from hub.kernel.profiles import Profiles
from simulators.field import config, serve_meters
from simulators.series import Replay, read_series
from tests.scenarios import site
from tests.scenarios.client import Person, signed_in

HOUSEHOLD, INTERVALS, REGISTER = "MAC000010", 96, "energy.active.import.total"


@pytest.mark.slow
async def test_history_returns_exactly_the_energies_of_the_file(
    database: str, tmp_path: Path, shared: Path
) -> None:
    file = shared / "data/timeseries/lcl_london_30min.csv.gz"
    series = read_series(file, where={"LCLid": HOUSEHOLD})
    profile = Profiles().find("schneider/iem3000")
    port = site.free_port()
    centre = site.centre(tmp_path, database, port)
    async with serve_meters(profile, [Replay(series, base=1000.0)], speed=0) as field:
        file_of_settings = tmp_path / "field.toml"
        file_of_settings.write_text(config(field.channels(every=0.1)))
        gateway = site.gateway(tmp_path, file_of_settings, port, site.free_port())
        try:
            await centre.start()
            facts = await centre.ready(60)
            await gateway.start()
            await gateway.ready(30)
            async with signed_in(facts["address"], facts["administrator"]) as person:
                shown = await replay(person, field.advance, series.seconds)
        finally:
            await gateway.stop()
            await centre.stop()
    rises = [b - a for a, b in itertools.pairwise(shown)]
    assert shown[0] == Decimal(1000)
    assert rises == recorded(file)


async def replay(person: Person, advance: Callable[[float], None], seconds: int) -> list[Decimal]:
    """Let the meter live through the intervals; what the register's history shows, repeats out."""
    point = await register(person)
    for _ in range(INTERVALS):
        before = (await person.get("scada/readings/live", points=point))["items"][0]["value"]
        advance(seconds)
        await asyncio.sleep(0.25)
        assert before is not None
    await asyncio.sleep(1.5)
    start = (dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)).isoformat()
    history = await person.all("scada/readings/history", **{"points": point, "from": start})
    assert {item["quality"] for item in history} == {"good"}
    values = [round(Decimal(item["value"]), 3) for item in history]
    return [value for value, _ in itertools.groupby(values)]


async def register(person: Person) -> str:
    """The point of the energy register, once the centre knows it and has its first value."""
    found: list[str] = []

    async def known() -> bool:
        page = await person.get("scada/points", name=REGISTER)
        found[:] = [item["id"] for item in page["items"]]
        if not found:
            return False
        return bool((await person.get("scada/readings/live", points=found[0]))["items"])

    await site.until(known, 30)
    return found[0]


def recorded(file: Path) -> list[Decimal]:
    """Energies of the first intervals in whole Wh, the register's step; zeros move no register."""
    with gzip.open(file, "rt", newline="") as text:
        rows = [r for r in csv.DictReader(text) if r["LCLid"] == HOUSEHOLD]
    energies = [round(Decimal(row["energy_kWh"]), 3) for row in rows[:INTERVALS]]
    return [energy for energy in energies if energy]
