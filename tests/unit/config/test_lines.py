"""The line of every key, whatever way TOML lets it be written."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from config.lines import Lines

TEXT = '''
top = 1 # a comment with [brackets] and "quotes"
a.b = """
two
lines"""

[[channels]]
name = "x # not a comment"
points = [
    { name = "v", address = "hr:1" }, # trailing

    { name = "w",
      },
]
[[channels.devices]]
"quoted key" = ']'
[[channels.devices]]
  deep = { x = { y = [1, 2] } }
[channels.extra]
when = 2026-01-01T00:00:00Z
[[channels]]
name = 'second'
'''


def test_positions_of_all_forms():
    find = Lines(TEXT.replace('{ name = "w",\n      }', '{ name = "w"}')).find
    assert find(("top",)) == 2
    assert find(("a", "b")) == 3
    assert find(("channels", 0)) == 7
    assert find(("channels", 0, "points", 0, "address")) == 10
    assert find(("channels", 0, "points", 1, "name")) == 12
    assert find(("channels", 0, "devices", 0, "quoted key")) == 15
    assert find(("channels", 0, "devices", 1, "deep", "x", "y", 1)) == 17
    assert find(("channels", 0, "extra", "when")) == 19
    assert find(("channels", 1, "name")) == 21
    assert find(("nothing",)) is None


def paths(value, at=()):
    yield at
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in items:
        yield from paths(item, (*at, key))


def test_every_key_that_the_parser_sees_has_a_line():
    text = TEXT.replace('{ name = "w",\n      }', '{ name = "w"}')
    lines = Lines(text)
    assert [p for p in paths(tomllib.loads(text)) if lines.find(p) is None] == []


@given(st.lists(st.sampled_from(TEXT.splitlines(keepends=True))).map("".join))
def test_whatever_the_parser_takes_has_positions(text):
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = Lines(text)
    assert [p for p in paths(data) if lines.find(p) is None] == []
