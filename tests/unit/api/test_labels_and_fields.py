"""What clients are told of types, and in which words."""

import datetime as dt
import json
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta, UnsetType

from api.fields import humanise, members, value
from api.labels import Labels
from api.metadata import Catalogue
from hub import Actor, Code, Measured, Minor, Prose
from plugins.identity import hub_plugin as identity
from plugins.scada import hub_plugin as scada


@pytest.mark.parametrize(
    ("type_", "kind", "nullable"),
    [
        (Code, "text", False),
        (Prose | None, "prose", True),
        (int, "integer", False),
        (Measured | None | UnsetType, "number", True),
        (dt.datetime, "instant", False),
        (UUID | None, "uuid", True),
        (Literal["a", "b"], "choice", False),
        (dict[str, int], "json", False),
        (int | str, "json", False),
        (list[dict[str, int]], "json", False),
    ],
)
def test_a_type_becomes_the_kind_of_input_that_fits(
    type_: object, kind: str, nullable: bool
) -> None:
    found = value(type_)
    assert (found.kind, found.nullable) == (kind, nullable)


def test_limits_are_told_unless_they_are_the_storage_s() -> None:
    assert value(Annotated[int, Meta(ge=0, le=9)]).maximum == 9
    assert value(Minor).maximum is None
    assert value(Minor).hint == "Money in minor units of its currency"
    assert value(Code).max_length == 50


def test_a_list_tells_what_it_is_a_list_of() -> None:
    assert (value(list[UUID]).kind, value(list[UUID]).items) == ("list", "uuid")


def test_members_are_named_as_json_names_them() -> None:
    class Period(msgspec.Struct):
        start: dt.date = msgspec.field(name="from")

    assert [field.encode_name for field, _ in members(Period)] == ["from"]


def test_names_are_spelled_for_people() -> None:
    assert [humanise(n) for n in ("created_at", "station_id", "id")] == [
        "Created at",
        "Station",
        "ID",
    ]


def test_the_more_special_word_wins_and_english_is_the_last_resort(tmp_path: Path) -> None:
    words = {"title": "مزرعة", "cows": "أبقار", "cows.name": "اسم البقرة", "*.age": "العمر"}
    (tmp_path / "ar.json").write_text(json.dumps(words))
    labels = Labels(tmp_path)
    assert labels.title("Farm") == {"en": "Farm", "ar": "مزرعة"}
    assert labels.field("cows", "name")["ar"] == "اسم البقرة"
    assert labels.field("sheep", "name")["ar"] == "الاسم"
    assert labels.field("sheep", "age")["ar"] == "العمر"
    assert labels.field("sheep", "wool_kg") == {"en": "Wool kg"}


def test_accounts_and_grid_speak_arabic() -> None:
    plugins = [identity(), scada()]
    for plugin in plugins:
        for resource in plugin.resources:
            resource.plugin = plugin.name
    catalogue = Catalogue(plugins)
    everything = Actor(id="x", tenant=UUID(int=1), permissions=frozenset({"*"}))
    spoken = {r.key: r for r in catalogue.of(everything)}
    missing = []
    for key in (
        "identity.users",
        "identity.roles",
        "scada.stations",
        "scada.devices",
        "scada.points",
        "scada.protocols",
    ):
        described = spoken[key]
        texts = {key: described.label}
        for field in described.fields:
            texts[f"{key}.{field.name}"] = field.label
            for option in field.options:
                texts[f"{key}.{field.name}.{option.value}"] = option.label
        for verb in described.actions:
            texts[f"{key}/{verb.name}"] = verb.label
            texts |= {f"{key}/{verb.name}.{f.name}": f.label for f in verb.body or ()}
        missing += [name for name, text in texts.items() if "ar" not in text]
    assert missing == []
