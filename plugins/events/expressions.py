"""Filter expressions: which events a receiver wants, said as JSON, checked once, run without eval.

    {"all": [{"path": "data.total", "op": ">=", "value": 100},
             {"not": {"path": "data.currency", "op": "in", "value": ["USD"]}}]}

`all`, `any` and `not` nest at most five deep. A path that leads nowhere makes its test false.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from hub import Invalid

Test = Callable[[Mapping[str, Any]], bool]

DEPTH, WIDTH = 5, 50
_MISSING = object()
_ORDER = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_LISTS = {"in", "not_in"}
_TEXTS = {"starts_with"}
OPERATORS = ("==", "!=", *_ORDER, "in", "not_in", "exists", "contains", "starts_with")


def compile_(expression: object, place: str = "filter", depth: int = 1) -> Test:
    """A test of an event's envelope, or Invalid that names the place of the fault."""
    if depth > DEPTH:
        raise _fault(place, f"nests deeper than {DEPTH}")
    if not isinstance(expression, Mapping):
        raise _fault(place, "must be an object")
    keys = set(expression)
    if keys in ({"all"}, {"any"}):
        (name,) = keys
        parts = expression[name]
        if not isinstance(parts, list) or not 1 <= len(parts) <= WIDTH:
            raise _fault(f"{place}.{name}", f"must be a list of 1 to {WIDTH}")
        tests = [compile_(p, f"{place}.{name}[{i}]", depth + 1) for i, p in enumerate(parts)]
        every = all if name == "all" else any
        return lambda envelope: every(test(envelope) for test in tests)
    if keys == {"not"}:
        inner = compile_(expression["not"], f"{place}.not", depth + 1)
        return lambda envelope: not inner(envelope)
    return _comparison(expression, place)


def _comparison(expression: Mapping[str, Any], place: str) -> Test:
    path, op = expression.get("path"), expression.get("op")
    if not isinstance(path, str) or not path or len(path) > 200:
        raise _fault(place, "needs all, any, not, or a path with op and value")
    if op not in OPERATORS:
        raise _fault(f"{place}.op", f"must be one of {' '.join(OPERATORS)}")
    if stray := set(expression) - {"path", "op", "value"}:
        raise _fault(place, f"has unknown parts: {', '.join(sorted(map(str, stray)))}")
    if (op != "exists") != ("value" in expression):
        raise _fault(place, f"{op} {'takes no' if op == 'exists' else 'needs a'} value")
    wanted = expression.get("value")
    _check(op, wanted, place)
    compare, steps = _COMPARE[op], path.split(".")

    def test(envelope: Mapping[str, Any]) -> bool:
        found = _walk(envelope, steps)
        return found is not _MISSING and compare(found, wanted)

    return test


def _check(op: str, wanted: object, place: str) -> None:
    if op in _LISTS and not (isinstance(wanted, list) and len(wanted) <= 1000):
        raise _fault(f"{place}.value", "must be a list of at most 1000")
    if op in _TEXTS and not isinstance(wanted, str):
        raise _fault(f"{place}.value", "must be text")
    if op in _ORDER and (isinstance(wanted, bool) or not isinstance(wanted, int | float | str)):
        raise _fault(f"{place}.value", "must be a number or text")


def _walk(envelope: object, steps: list[str]) -> Any:
    here = envelope
    for step in steps:
        if isinstance(here, Mapping):
            here = here.get(step, _MISSING)
        elif isinstance(here, list) and step.isdigit() and int(step) < len(here):
            here = here[int(step)]
        else:
            return _MISSING
    return here


def _equal(found: Any, wanted: Any) -> bool:
    """As JSON sees it: true is not 1."""
    return isinstance(found, bool) == isinstance(wanted, bool) and bool(found == wanted)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(found: Any, wanted: Any) -> bool:
        if isinstance(found, bool) or isinstance(found, str) != isinstance(wanted, str):
            return False
        return isinstance(found, int | float | str) and compare(found, wanted)

    return test


def _contains(found: Any, wanted: Any) -> bool:
    if isinstance(found, str):
        return isinstance(wanted, str) and wanted in found
    return isinstance(found, list) and any(_equal(item, wanted) for item in found)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": _equal,
    "!=": lambda found, wanted: not _equal(found, wanted),
    **{name: _ordered(compare) for name, compare in _ORDER.items()},
    "in": lambda found, wanted: any(_equal(found, w) for w in wanted),
    "not_in": lambda found, wanted: not any(_equal(found, w) for w in wanted),
    "exists": lambda found, _: True,
    "contains": _contains,
    "starts_with": lambda found, wanted: isinstance(found, str) and found.startswith(wanted),
}


def _fault(place: str, what: str) -> Invalid:
    return Invalid(f"{place} {what}", field=place)
