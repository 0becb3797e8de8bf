"""What is taken from texts before they are stored."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.clean import clean, text


class Note(msgspec.Struct):
    notes: str
    password: str = ""
    settings: dict = {}


@pytest.mark.parametrize(
    ("given_", "left"),
    [
        ("<script>x</script>hi", "hi"),
        ("<scr<script></script>ipt>alert(1)</script>", "alert(1)"),
        ("a < b and c > d", "a < b and c > d"),
        ("<b onclick='x'>bold</b>", "bold"),
        ("<!-- hidden -->shown", "shown"),
        ("<<b>b>x", "x"),
        ("null\x00 bell\x07 tab\t", "null bell tab\t"),
        ("e\u0301", "é"),
        ("مرحبا", "مرحبا"),
    ],
)
def test_tags_and_control_characters_go(given_, left):
    assert text(given_) == left


def test_secrets_and_free_objects_stay_as_they_are():
    body = {"notes": "<i>a</i>", "password": "a<b>C1!longer", "settings": {"x": "<b>"}}
    cleaned = msgspec.json.decode(clean(msgspec.json.encode(body), Note))
    assert cleaned == body | {"notes": "a"}


def test_what_is_no_json_is_left_for_the_decoder():
    assert clean(b"{<", Note) == b"{<"


@given(st.text())
def test_cleaning_twice_changes_nothing_more(given_):
    assert text(text(given_)) == text(given_)


@given(st.text())
def test_no_tag_is_left(given_):
    assert "<script>" not in text(f"{given_}<script>{given_}</script>")
