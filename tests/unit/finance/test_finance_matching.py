"""Reconciliation by reference, by amount and date, and by sums."""

from decimal import Decimal
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.finance.matching import Item, match


def item(n, amount, day=0, reference="", group=""):
    return Item(UUID(int=n), amount, day, reference, group)


def found(book, external, tolerance=0, window=3):
    return [
        (m.rule, [b.int for b in m.book], [e.int for e in m.external], m.difference)
        for m in match(book, external, tolerance=tolerance, window=window)
    ]


def test_the_worked_example_gives_one_exact_match_and_one_of_many_to_one():
    book = [item(1, 100, reference="R1"), item(2, 50, group="P"), item(3, 50, group="P")]
    external = [item(11, 100, reference="R1"), item(12, 100, group="P")]
    first, second = match(book, external, tolerance=0, window=3)
    assert (first.rule, first.score, first.certain) == ("exact_reference", Decimal(1), True)
    assert (second.rule, second.score, second.certain) == ("many_to_one", Decimal("0.7"), False)
    assert (first.book, second.book) == ((UUID(int=1),), (UUID(int=2), UUID(int=3)))


def test_a_reference_wins_over_a_closer_date():
    book = [item(1, 100, day=0, reference="A"), item(2, 100, day=9)]
    assert found(book, [item(11, 100, day=9, reference="a")]) == [("exact_reference", [1], [11], 0)]


def test_the_closest_date_is_taken_and_the_window_ends():
    book = [item(1, 100, day=1), item(2, 100, day=5)]
    external = [item(11, 100, day=4), item(12, 100, day=9)]
    assert found(book, external) == [("amount_date", [2], [11], 0)]
    score = match(book, external[:1], tolerance=0, window=4)[0].score
    assert score == Decimal("0.8750")


def test_a_difference_within_the_tolerance_is_told():
    assert found([item(1, 100, reference="A")], [item(11, 98, reference="A")], 2) == [
        ("exact_reference", [1], [11], -2)
    ]
    assert found([item(1, 100, reference="A")], [item(11, 97, reference="A")], 2) == []


def test_one_entry_is_paid_in_parts():
    book = [item(1, 100, reference="INV-7")]
    parts = [item(11, 60, reference="INV-7/1"), item(12, 39, reference="INV-7/2")]
    assert found(book, parts, 1) == [("one_to_many", [1], [11, 12], -1)]


def test_unrelated_amounts_that_happen_to_add_up_are_not_joined():
    assert found([item(1, 100, group="P")], [item(11, 50, group="Q"), item(12, 50)]) == []
    assert (
        found([item(1, 100, group="P")], [item(11, 150, group="P"), item(12, -50, group="P")]) == []
    )


ITEMS = st.lists(
    st.tuples(
        st.integers(-50, 50), st.integers(0, 9), st.sampled_from(["", "A", "B"]),
        st.sampled_from(["", "P"]),
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(ITEMS, ITEMS, st.integers(0, 3))
def test_no_item_is_used_twice_and_no_difference_exceeds_the_tolerance(ours, theirs, tolerance):
    book = [item(i, *x) for i, x in enumerate(ours)]
    external = [item(100 + i, *x) for i, x in enumerate(theirs)]
    amounts = {i.id: i.amount for i in (*book, *external)}
    matches = match(book, external, tolerance=tolerance, window=3)
    used = [i for m in matches for i in (*m.book, *m.external)]
    assert len(used) == len(set(used))
    for m in matches:
        difference = sum(amounts[e] for e in m.external) - sum(amounts[b] for b in m.book)
        assert difference == m.difference
        assert abs(difference) <= tolerance
