"""Every word that plugins show to people is there in every language."""

from collections.abc import Iterator
from importlib.metadata import entry_points
from uuid import UUID

import pytest

from api.labels import LANGUAGES, Texts
from api.metadata import Catalogue, Field
from hub import Actor, Plugin

EVERYONE = Actor(id="nobody", tenant=UUID(int=0), kind="system", permissions=frozenset({"*"}))


def _plugins() -> list[Plugin]:
    loaded = [entry.load() for entry in entry_points(group="busbar.plugins")]
    return [module.hub_plugin() for module in loaded if hasattr(module, "hub_plugin")]


def _fields(place: str, fields: list[Field]) -> Iterator[tuple[str, Texts]]:
    for field in fields:
        yield f"{place}.{field.name}", field.label
        for option in field.options:
            yield f"{place}.{field.name}.{option.value}", option.label


def _shown() -> Iterator[tuple[str, Texts]]:
    catalogue = Catalogue(_plugins())
    for group in catalogue.menu(EVERYONE):
        yield f"{group.plugin}: title", group.label
    for res in catalogue.of(EVERYONE):
        yield res.key, res.label
        yield from _fields(res.key, res.fields)
        for verb in res.actions:
            yield f"{res.key}/{verb.name}", verb.label
            yield from _fields(f"{res.key}/{verb.name}", verb.body or [])


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
def test_every_word_that_is_shown_is_there(language: str) -> None:
    assert [place for place, texts in _shown() if language not in texts] == []
