"""A breaker at a libiec61850 server, opened from the centre; its move comes home into history."""

import datetime as dt
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from api.testing import sign_in
from hub import Stamp, Validity, uuid7
from tests.integration.iec61850.peer import Peer
from tests.integration.scada.site import Site, site
from tests.waiting import until

__all__ = ["sign_in"]

BAY = """
[[channels]]
driver = "iec61850"
name = "line"
host = "127.0.0.1"
port = {port}
backoff = {{ first = 0.05, last = 0.1 }}
[[channels.devices]]
name = "bay"
ied = "BAY1"
profile = "generic/iec61850_ied"
"""
CLOSED, MOMENT = 2, 1_700_000_000_123


@pytest.fixture
async def place(tmp_path: Path, database: str, libiec61850: Peer) -> AsyncIterator[Site]:
    await libiec61850.tell(f"dbpos CTRL/XCBR1.Pos.stVal {CLOSED} {MOMENT}")
    async with site(tmp_path, database, BAY.format(port=libiec61850.port)) as made:
        yield made


@pytest.fixture
def central(place: Site) -> Any:
    return place.centre


async def moves(place: Site, me: dict[str, str], since: float) -> list[dict[str, Any]]:
    """History of the breaker's position at the centre."""
    points = (await place.get("scada/points?limit=100", me))["items"]
    ident = next(point["id"] for point in points if point["name"] == "switch.position")
    start, end = (
        f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
        for at in (since, time.time() + 60)
    )
    asked = f"scada/readings/history?points={ident}&from={start}&to={end}"
    found: list[dict[str, Any]] = (await place.get(asked, me))["items"]
    return found


async def test_the_breaker_opens_and_its_report_is_history_with_the_servers_time_and_quality(
    place: Site, sign_in: Any
) -> None:
    me = await sign_in("scada.*", tenant="main")
    await place.linked()
    control = await place.control(me)
    before = time.time()
    path = f"scada/controls/{control['id']}/execute"
    body = {"value": 0, "reason": "planned maintenance"}
    status, asked = await place.send("POST", path, me, body, str(uuid7()))
    assert status == 202, asked
    row = await place.command(asked["id"], me, "confirmed", "failed", "timeout", "unknown")
    assert (row["state"], row["result"]) == ("confirmed", "done")

    async def moved() -> Any:
        found = await moves(place, me, before - 0.01)
        return found[-1] if found else None

    move = await until(moved)
    assert move["value"] == 1.0
    assert move["quality_code"] == int(Validity.GOOD) | int(Stamp.DEVICE)
    assert before - 0.01 <= dt.datetime.fromisoformat(move["time"]).timestamp() <= time.time()
    first = await moves(place, me, MOMENT / 1000)
    when = dt.datetime.fromisoformat(first[0]["time"]).timestamp()
    assert (round(when * 1000), first[0]["value"]) == (MOMENT, CLOSED)
