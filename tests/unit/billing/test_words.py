"""Every word that the console shows of billing is there in Arabic."""

import enum
from typing import get_args

import msgspec

from api.labels import Labels
from plugins import billing

PLUGIN = billing.hub_plugin()
LABELS = Labels(PLUGIN.locale)


def options(kind):
    for each in (kind, *get_args(kind)):
        if isinstance(each, type) and issubclass(each, enum.StrEnum):
            yield from each


def words():
    for res in PLUGIN.resources:
        yield LABELS.resource(res.name), res.name
        for field in res.fields:
            yield LABELS.field(res.name, field.name), f"{res.name}.{field.name}"
            for value in options(field.type):
                told = LABELS.option(res.name, field.name, value)
                yield told, f"{res.name}.{field.name}.{value}"
        for action in res.actions.values():
            yield LABELS.action(res.name, action.name), f"{res.name}/{action.name}"
            body = action.signature.body
            for info in msgspec.structs.fields(body) if body else ():
                yield LABELS.field(res.name, info.encode_name), f"{res.name}.{info.encode_name}"


def test_nothing_of_billing_is_left_untranslated():
    assert sorted({name for texts, name in words() if "ar" not in texts}) == []
