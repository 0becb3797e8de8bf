"""The life of an alarm, and that both sides of a broken link agree on it."""

import itertools

import pytest
from msgspec import structs

from hub import (
    Alarm,
    AlarmKind,
    AlarmStatus,
    AlarmStep,
    AlarmTold,
    Conflict,
    Mark,
    Mask,
    NotFound,
    Severity,
)
from hub.kernel.alarm_book import FLOOD, MINUTE, Book

WHERE = ("m1", "voltage", "high")
T = 1_700_000_000_000_000


def alarm(number: int = 1, **more: object) -> Alarm:
    base = Alarm(
        id=f"a{number}", device="m1", point="voltage", kind=AlarmKind.HIGH,
        severity=Severity.WARNING, message="too high", raised_at=T,
    )  # fmt: skip
    return structs.replace(base, **more)


class Told(list[AlarmTold]):
    def steps(self) -> list[tuple[str, str]]:
        return [(t.step, t.alarm.status) for t in self]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def book(told: Told) -> Book:
    return Book(told.append)


def mark(at: int = T + 10, by: str = "ann", occurrence: int = 1, note: str = "") -> Mark:
    return Mark(at=at, by=by, occurrence=occurrence, note=note)


def test_acknowledged_first_it_closes_by_itself(book: Book, told: Told) -> None:
    book.raised(alarm(), T)
    book.acknowledge("a1", mark(), T + 10)
    book.cleared(WHERE, T + 20, T + 20)
    assert told.steps() == [
        ("raised", "active"), ("acknowledged", "acknowledged"), ("cleared", "closed"),
    ]  # fmt: skip
    assert book.live == {}


def test_cleared_first_it_waits_for_somebody_to_see_it(book: Book, told: Told) -> None:
    book.raised(alarm(), T)
    book.cleared(WHERE, T + 5, T + 5)
    assert book.live[WHERE].status is AlarmStatus.CLEARED
    book.acknowledge("a1", mark(), T + 10)
    assert told.steps()[-1] == ("acknowledged", "closed")
    assert book.live == {}


def test_repeats_count_and_need_a_new_acknowledgement(book: Book, told: Told) -> None:
    book.raised(alarm(), T)
    for _ in range(3):
        book.cleared(WHERE, T + 5, T + 5)
        book.raised(alarm(2), T + 6)
    (live,) = book.live.values()
    assert (live.id, live.occurrence, live.status) == ("a1", 4, AlarmStatus.ACTIVE)
    book.acknowledge("a1", mark(occurrence=3), T + 9)
    assert book.live[WHERE].status is AlarmStatus.ACTIVE
    assert told[-1].step is AlarmStep.ACKNOWLEDGED


def test_closing_by_hand_needs_the_condition_gone_or_a_note(book: Book, told: Told) -> None:
    book.raised(alarm(), T)
    with pytest.raises(Conflict, match="still there"):
        book.close("a1", mark(), T + 1)
    book.close("a1", mark(note="sensor is being replaced"), T + 1)
    assert book.live[WHERE].status is AlarmStatus.CLOSED
    book.cleared(WHERE, T + 9, T + 9)
    assert book.live == {}
    with pytest.raises(NotFound):
        book.close("a1", mark(), T)


def test_versions_rise_by_one_with_every_step(book: Book, told: Told) -> None:
    book.raised(alarm(), T)
    book.acknowledge("a1", mark(), T)
    book.cleared(WHERE, T, T)
    assert [t.alarm.version for t in told] == [1, 2, 3]


def test_marks_of_two_people_give_one_truth_in_any_order() -> None:
    marks = [mark(T + 1, "ann"), mark(T + 2, "bob"), mark(T + 2, "eve"), mark(T + 9, "old", 0)]
    found = set()
    for order in itertools.permutations(marks):
        one = alarm()
        for m in order:
            one = one.marked(acknowledged=m)
        found.add(one.acknowledged)
    assert {m.by for m in found if m} == {"eve"}


def test_a_shelved_alarm_is_recorded_and_comes_back_when_the_time_is_over(
    book: Book, told: Told
) -> None:
    book.raised(alarm(), T)
    mask = Mask(device="m1", point="voltage", kind="high", until=T + 100, by="ann", note="known")
    book.mask(mask, T + 1)
    assert (told[-1].step, told[-1].by, told[-1].alarm.masked) == ("shelved", "ann", mask)
    assert book.expire(T + 99) == []
    assert book.expire(T + 100) == [mask]
    assert (told[-1].step, told[-1].by, told[-1].alarm.masked) == ("unshelved", "", None)


def test_what_is_raised_under_a_suppressed_device_is_masked_from_the_beginning(
    book: Book, told: Told
) -> None:
    book.mask(Mask(device="m1", until=T + 100, by="ann", suppressed=True), T)
    book.raised(alarm(), T + 1)
    assert told[-1].alarm.masked is not None
    book.mask(Mask(device="m1", until=0, by="bob", suppressed=True), T + 2)
    assert (told[-1].step, told[-1].by) == ("unsuppressed", "bob")


def test_a_flood_of_one_station_is_told_once(book: Book, told: Told) -> None:
    for n in range(FLOOD + 50):
        book.raised(alarm(n, point=f"p{n}", station="SS1"), T + n)
    book.raised(alarm(999, point="other", station="SS2"), T)
    loud = [t.alarm for t in told if not t.alarm.quiet]
    assert len(loud) == FLOOD + 2
    (summary,) = [a for a in loud if a.kind == AlarmKind.FLOOD]
    assert (summary.station, summary.value) == ("SS1", FLOOD + 1)
    book.expire(T + 2 * MINUTE)
    assert not book.on(("", "SS1", "flood"))
