"""Whose turn it is on a line."""

from hypothesis import given
from hypothesis import strategies as st

from hub import Backoff, Point, PointSpec
from hub.kernel.polls import Schedule


def point(device: str, every: float | None, name: str = "p") -> Point:
    spec = PointSpec(name=name, address="0")
    return Point(id=0, key=f"{device}.{name}", device=device, spec=spec, address=0, every=every)


def drive(schedule: Schedule, seconds: float, cost: float, silent=(), silence: float = 1.0):
    """Polls as (time, device), when each costs so much."""
    now, polls = 0.0, []
    schedule.begin(now)
    while now < seconds:
        group = schedule.next(now)
        if group is None:
            when = schedule.when()
            if when is None:
                break
            now = max(now, when)
            continue
        polls.append((now, group.line.name))
        if group.line.name in silent:
            now += silence
            schedule.silence(group, now)
        else:
            now += cost
            schedule.answered(group, now)
    return polls


def test_points_of_one_device_and_period_are_one_group():
    points = [point("a", 1, "x"), point("a", 1, "y"), point("a", 5, "z"), point("b", 1)]
    schedule = Schedule([*points, point("c", None)])
    assert [(g.line.name, g.every, len(g.points)) for g in schedule.groups] == [
        ("a", 1, 2),
        ("a", 5, 1),
        ("b", 1, 1),
    ]


def test_a_line_that_keeps_up_polls_at_the_period_exactly():
    polls = drive(Schedule([point("a", 1.0)]), 10, 0.01)
    assert [t for t, _ in polls] == [float(i) for i in range(10)]


def test_an_overloaded_line_goes_round_fairly():
    schedule = Schedule([point("a", 0.1), point("b", 1.0), point("c", 0.1)])
    polls = [d for _, d in drive(schedule, 60, 1.0)]
    assert {d: polls.count(d) for d in "abc"} == {"a": 20, "b": 20, "c": 20}
    assert all(g.achieved == 3.0 for g in schedule.groups)


def test_silent_devices_take_at_most_a_fifth_of_a_line_where_others_answer():
    devices = [point(f"s{i}", 1.0) for i in range(10)]
    schedule = Schedule([point("well", 1.0), *devices], Backoff(first=0.5, last=3))
    drive(schedule, 12, 0.01, silent={p.device for p in devices})
    before = schedule.groups[0].polls
    polls = drive(schedule, 100, 0.01, silent={p.device for p in devices})
    well = [t for t, d in polls if d == "well"]
    assert schedule.groups[0].polls > before
    assert len(polls) - len(well) <= 10 + 100 / 5
    assert len(well) >= 70


def test_when_nobody_answers_the_link_is_suspect():
    schedule = Schedule([point("a", 1.0), point("b", 1.0)])
    schedule.begin(0.0)
    first = schedule.next(0.0)
    assert first is not None
    assert schedule.silence(first, 1.0) is False
    second = schedule.next(1.0)
    assert second is not None
    assert second is not first
    assert schedule.silence(second, 2.0) is True


def test_a_device_that_speaks_again_is_polled_at_once():
    schedule = Schedule([point("a", 1.0), point("b", 1.0)], Backoff(first=100, last=100))
    schedule.begin(0.0)
    group = schedule.next(0.0)
    assert group is not None
    schedule.silence(group, 1.0)
    assert group.due == 101.0
    schedule.heard(group.line.name, 2.0)
    assert group.due == 2.0


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([0.1, 1.0, 7.0])), min_size=1),
    st.floats(0.01, 2.0),
    st.sets(st.sampled_from("abc")),
)
def test_no_answering_group_ever_waits_more_than_a_round_behind_its_time(groups, cost, silent):
    schedule = Schedule([point(d, e, f"p{i}") for i, (d, e) in enumerate(groups)])
    drive(schedule, 60, cost, silent)
    for group in schedule.groups:
        if group.line.name not in silent:
            others = len(schedule.groups) * (cost + 1.0)
            assert group.polls >= int(60 / (group.every + others)) - 1
