"""Words for what plugins declare, from their `locale/<language>.json`.

A file is flat. Keys, the more special first:

    <resource>.<field>.<option>   <resource>.<field>   <resource>/<action>   <resource>   title
    *.<field>.<option>            *.<field>            */<action>

What no file names is shown in English as it is spelled in the code.
"""

from pathlib import Path

import msgspec

from api.fields import humanise

LANGUAGES = ("en", "ar")
COMMON = Path(__file__).parent / "locale"

Texts = dict[str, str]


class Labels:
    """The words of one plugin; those that all share come from `api/locale`."""

    def __init__(self, folder: Path | None) -> None:
        self._words = {language: _read(COMMON, language) for language in LANGUAGES}
        if folder is not None:
            for language in LANGUAGES:
                self._words[language] |= _read(folder, language)

    def _of(self, keys: tuple[str, ...], spelled: str) -> Texts:
        texts = {"en": humanise(spelled)}
        for language, words in self._words.items():
            found = next((words[k] for k in keys if k in words), None)
            if found is not None:
                texts[language] = found
        return texts

    def title(self, spelled: str) -> Texts:
        return self._of(("title",), spelled)

    def resource(self, name: str) -> Texts:
        return self._of((name,), name)

    def action(self, resource: str, name: str) -> Texts:
        return self._of((f"{resource}/{name}", f"*/{name}"), name)

    def field(self, resource: str, name: str) -> Texts:
        return self._of((f"{resource}.{name}", f"*.{name}"), name)

    def option(self, resource: str, field: str, value: str) -> Texts:
        keys = (f"{resource}.{field}.{value}", f"*.{field}.{value}")
        return self._of(keys, value)


def _read(folder: Path, language: str) -> dict[str, str]:
    path = folder / f"{language}.json"
    return msgspec.json.decode(path.read_bytes(), type=dict[str, str]) if path.exists() else {}
