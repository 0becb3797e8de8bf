"""For whom a feature is on."""

import hypothesis.strategies as st
from hypothesis import given

from plugins.admin.flags import decided, share
from plugins.admin.models import Flag


def flag(**values):
    return Flag(
        **({"code": "new-map", "is_on": True, "percent": 0, "users": [], "roles": []} | values)
    )


def test_a_flag_that_is_off_is_off_even_for_those_it_names():
    assert not decided(flag(is_on=False, percent=100, users=["u"], roles=["r"]), "u", ("r",))


def test_named_users_and_roles_come_before_the_share():
    assert decided(flag(users=["u"]), "u", ())
    assert decided(flag(roles=["engineer"]), "x", ("staff", "engineer"))
    assert not decided(flag(), "x", ("staff",))


@given(st.text(max_size=40), st.integers(0, 100), st.integers(0, 100))
def test_a_growing_share_takes_nobody_off(user, one, other):
    low, high = sorted((one, other))
    assert decided(flag(percent=high), user, ()) or not decided(flag(percent=low), user, ())
    assert decided(flag(percent=100), user, ())
    assert not decided(flag(percent=0), user, ())


def test_the_share_is_about_as_large_as_it_says_and_another_flag_takes_others():
    users = [f"user {n}" for n in range(4_000)]
    taken = {u for u in users if share("a", u) < 25}
    assert 850 < len(taken) < 1_150
    others = {u for u in users if share("b", u) < 25}
    assert len(taken & others) < 400
