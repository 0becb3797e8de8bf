"""When schedules are due, across summer time too."""

import datetime as dt

import pytest

from hub import Invalid
from plugins.jobs.rules import check, due, next_run, pause

BERLIN = "Europe/Berlin"


def utc(*args):
    return dt.datetime(*args, tzinfo=dt.UTC)


def test_cron_is_of_the_schedules_time_zone():
    assert next_run("0 0 * * *", None, "Asia/Aden", utc(2026, 3, 1, 12)) == utc(2026, 3, 1, 21)


def test_in_the_skipped_hour_it_runs_at_the_next_valid_minute():
    before = utc(2026, 3, 28, 12)
    assert next_run("30 2 * * *", None, BERLIN, before) == utc(2026, 3, 29, 1, 0)


def test_in_the_hour_that_comes_twice_it_runs_once():
    first = next_run("30 2 * * *", None, BERLIN, utc(2026, 10, 24, 12))
    second = next_run("30 2 * * *", None, BERLIN, first)
    assert (second - first) > dt.timedelta(hours=23)


def test_an_interval_counts_from_now():
    assert next_run(None, 60, "UTC", utc(2026, 1, 1)) == utc(2026, 1, 1, 0, 1)


def test_a_missed_run_is_made_up_for_only_where_wished():
    planned, now = utc(2026, 1, 1), utc(2026, 1, 1, 0, 20)
    assert due(planned, now, True)
    assert not due(planned, now, False)
    assert due(planned, planned + dt.timedelta(seconds=5), False)
    assert not due(now, planned, True)


def test_pauses_grow_by_four():
    assert [pause(n, 0.5).total_seconds() for n in (1, 2, 3)] == [10, 40, 160]
    assert pause(1, 0.0).total_seconds() == 8


@pytest.mark.parametrize(
    "given", [("* * *", None, "UTC"), ("0 0 * * *", 5, "UTC"), (None, None, "UTC"),
              ("0 0 * * *", None, "../etc/passwd"), ("0 0 31 2 *", None, "UTC")]
)  # fmt: skip
def test_what_makes_no_sense_is_refused(given):
    with pytest.raises(Invalid):
        check(*given)
