"""A trend of 30 days at five points, as the console asks for it, beside the same answer by raw SQL.

A whole system runs; a month of one reading a minute is put into its table, its roll-ups are made by
the centre itself. Asked one after another, over one connection each.
"""

import datetime as dt
import http.client
import json
import math
import statistics
import tempfile
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.figures import console, machine
from tests.e2e.site import Site, running

DAYS, QUESTIONS, WARM = 30, 200, 10
HEADS = ("SS1-F1-HEAD", "SS1-F2-HEAD", "SS1-F3-HEAD", "SS2-F1-HEAD", "SS2-F2-HEAD")
NAME = "power.active.total"

_FILL = """
INSERT INTO reading (point_id, time, value, quality)
SELECT p, t, 1000 + 300 * sin(extract(epoch FROM t) / 7000) + p, 0
  FROM unnest(%(series)s::int[]) AS p,
       generate_series(%(start)s::timestamptz, %(end)s, '1 minute') AS t
"""
_MARK = """
INSERT INTO rollup_mark (gateway, minute)
SELECT DISTINCT gateway, t FROM sync_point,
       generate_series(%(start)s::timestamptz, %(end)s, '1 minute') AS t
 WHERE series = ANY(%(series)s)
ON CONFLICT DO NOTHING
"""
_LEFT = "SELECT count(*) FROM rollup_mark WHERE minute < %(end)s"
_HOURS = """
SELECT point_id, t, s / n, n FROM reading_1h
 WHERE point_id = ANY(%(series)s) AND t >= %(start)s AND t < %(end)s ORDER BY point_id, t
"""
_RAW = """
SELECT point_id, date_bin('1 hour', time, 'epoch'), avg(value), count(*) FROM reading
 WHERE point_id = ANY(%(series)s) AND time >= %(start)s AND time < %(end)s
   AND (quality & 3) = 0 AND value <> 'NaN' GROUP BY 1, 2 ORDER BY 1, 2
"""


def dsn(site: Site) -> str:
    """Of the embedded database: its socket is told in the fifth line of the postmaster's file."""
    lines = (site.folder / "data/central/postgres/postmaster.pid").read_text().splitlines()
    return f"host={lines[4]} user=postgres dbname=postgres"


def filled(connection: psycopg.Connection[Any], about: dict[str, Any]) -> None:
    """A month of readings, and the roll-ups of it by the centre's own work."""
    connection.execute(_FILL, about)
    connection.execute(_MARK, about)
    while (row := connection.execute(_LEFT, about).fetchone()) and row[0]:
        time.sleep(1.0)
    connection.execute("ANALYZE reading, reading_1h")


def timed(ask: Callable[[], int]) -> tuple[list[float], int]:
    """Milliseconds of each question, sorted; how many rows the last one gave."""
    rows = [ask() for _ in range(WARM)]
    took = []
    for _ in range(QUESTIONS):
        began = time.perf_counter()
        rows.append(ask())
        took.append((time.perf_counter() - began) * 1e3)
    return sorted(took), rows[-1]


def by_api(site: Site, points: list[str], about: dict[str, Any]) -> Callable[[], int]:
    host = urllib.parse.urlsplit(site.address).netloc
    line = http.client.HTTPConnection(host, timeout=60)
    query = {"points": ",".join(points), "bucket": "1h", "fn": "avg"}
    query |= {"from": about["start"].isoformat(), "to": about["end"].isoformat()}
    path = f"/api/v1/scada/readings/aggregate?{urllib.parse.urlencode(query)}"

    def ask() -> int:
        line.request("GET", path, headers={"Authorization": f"Bearer {site.token}"})
        return len(json.loads(line.getresponse().read())["items"])

    return ask


def measure(site: Site) -> None:
    points = [site.point(head, NAME) for head in HEADS]
    end = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0) - dt.timedelta(days=1)
    about: dict[str, Any] = {"start": end - dt.timedelta(days=DAYS), "end": end}
    with psycopg.connect(dsn(site), autocommit=True) as connection:
        found = connection.execute("SELECT series FROM scada_point WHERE id = ANY(%s)", (points,))
        about["series"] = [series for (series,) in found.fetchall()]
        filled(connection, about)
        ways = {
            "the API, from roll-ups": by_api(site, points, about),
            "SQL on the hourly roll-up": lambda: len(connection.execute(_HOURS, about).fetchall()),
            "SQL on the readings": lambda: len(connection.execute(_RAW, about).fetchall()),
        }
        for name, ask in ways.items():
            took, rows = timed(ask)
            p99 = took[math.ceil(0.99 * len(took)) - 1]
            middle = statistics.median(took)
            console.print(f"{name}: p50 {middle:.1f} ms, p99 {p99:.1f} ms, {rows} values")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as site:
        console.print(f"\n[bold]trends[/bold]\n{machine()}")
        measure(site)
