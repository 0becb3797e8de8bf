"""Filters say what they mean, and nothing else gets in."""

import pytest

from hub import Invalid
from plugins.events.expressions import compile_

EVENT = {
    "type": "invoice.paid",
    "data": {"total": 150, "currency": "YER", "paid": True, "lines": [{"sku": "A"}], "note": None},
}


def told(path, op, value):
    return {"path": path, "op": op, "value": value}


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        (told("data.total", ">=", 150), True),
        (told("data.total", ">", 150), False),
        (told("data.total", "<", 150.5), True),
        (told("data.total", "==", 150), True),
        (told("data.total", "!=", 150), False),
        (told("data.total", "==", True), False),
        (told("data.paid", "==", 1), False),
        (told("data.paid", ">", 0), False),
        (told("data.currency", ">", 5), False),
        (told("data.currency", "in", ["YER", "USD"]), True),
        (told("data.currency", "not_in", ["YER"]), False),
        (told("data.currency", "starts_with", "YE"), True),
        (told("data.currency", "contains", "ER"), True),
        (told("data.lines", "contains", {"sku": "A"}), True),
        (told("data.lines.0.sku", "==", "A"), True),
        (told("data.lines.1.sku", "==", "A"), False),
        (told("data.nothing", "!=", 1), False),
        (told("data.note", "==", None), True),
        (told("data.total.deeper", "==", 1), False),
        ({"path": "data.note", "op": "exists"}, True),
        ({"path": "data.nothing", "op": "exists"}, False),
        ({"not": {"path": "data.nothing", "op": "exists"}}, True),
        ({"all": [told("type", "==", "invoice.paid"), told("data.total", "<", 1)]}, False),
        ({"any": [told("type", "==", "x"), told("data.total", ">", 1)]}, True),
    ],
)
def test_an_expression_decides(expression, result):
    assert compile_(expression)(EVENT) is result


def deep(levels):
    expression = told("a", "==", 1)
    for _ in range(levels):
        expression = {"not": expression}
    return expression


@pytest.mark.parametrize(
    ("expression", "place"),
    [
        ([], "filter"),
        ("data.total > 1", "filter"),
        ({}, "filter"),
        ({"all": []}, "filter.all"),
        ({"all": [told("a", "==", 1)], "any": []}, "filter"),
        ({"all": [told("a", "==", 1), {"path": 3}]}, "filter.all[1]"),
        (told("a", "__class__", 1), "filter.op"),
        ({"path": "a", "op": "=="}, "filter"),
        ({"path": "a", "op": "exists", "value": 1}, "filter"),
        ({**told("a", "==", 1), "more": 1}, "filter"),
        (told("a", "in", "abc"), "filter.value"),
        (told("a", ">", None), "filter.value"),
        (told("a", "starts_with", 1), "filter.value"),
        (deep(5), "filter.not.not.not.not.not"),
    ],
)
def test_a_fault_is_refused_with_its_place(expression, place):
    with pytest.raises(Invalid) as caught:
        compile_(expression)
    assert caught.value.extra["field"] == place


def test_five_levels_are_enough():
    assert compile_(deep(4))({"a": 1}) is True
