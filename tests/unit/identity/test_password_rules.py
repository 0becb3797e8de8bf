"""The rules of passwords, and their strength."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.identity import rules


@pytest.mark.parametrize(
    "password",
    [
        "password",
        "P@ssw0rd123!",
        "Qwerty-2024",
        "Admin!!11",
        "aaaaaaaaaaaa",
        "1Dr@gon1",
        "$ecret99",
    ],
)
def test_what_is_guessed_first_is_common(password):
    assert rules.common(password)


@pytest.mark.parametrize("password", ["Brass-lantern-77", "tr4m über Brücke", "xK9#vQ2!mP"])
def test_what_nobody_guesses_is_taken(password):
    assert rules.faults(password) == []


@pytest.mark.parametrize(
    ("password", "points"),
    [("", 0), ("abcdefgh", 30), ("Abcdefgh", 50), ("Abcdefg1", 70), ("Abcdef1!", 100), ("A1!", 70)],
)
def test_strength_is_counted_as_the_console_counts_it(password, points):
    assert rules.strength(password) == points


def test_customers_may_have_a_weaker_one_than_staff():
    assert rules.faults("Lanternbrass", staff=False) == []
    assert rules.faults("Lanternbrass", staff=True) != []


@given(st.text(max_size=120), st.text(max_size=40))
def test_every_text_gets_an_answer(password, name):
    found = rules.faults(password, about=(name, None))
    assert all(isinstance(fault, str) for fault in found)
    if len(password) < rules.SHORTEST or len(password.encode()) > rules.LONGEST:
        assert found
