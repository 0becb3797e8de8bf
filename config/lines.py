"""The line on which every key of a TOML text stands.

`tomllib` has read the text before, so this scanner trusts its grammar and only keeps positions.
"""

import re

from config.faults import Path

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}\n#]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)


class Lines:
    """Positions found in one text."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._line, self._counted = text, 0, 1, 0
        self._items: dict[Path, int] = {}
        self.of: dict[Path, int] = {(): 1}
        table: Path = ()
        self._blank()
        while self._at < len(text):
            if text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._blank()

    def find(self, path: Path) -> int | None:
        """The line of `path`, or None when the text does not have it."""
        return self.of.get(path)

    def nearest(self, *path: str | int) -> int:
        """The line of `path`, or of the nearest thing around it that the text has."""
        while path not in self.of:
            path = path[:-1]
        return self.of[path]

    def _blank(self) -> None:
        match = _BLANK.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise ValueError(f"line {self._here()}: not TOML")
        self._at = match.end()
        return match[0]

    def _key(self) -> Path:
        parts: list[str] = []
        while True:
            self._blank()
            quoted = self._text[self._at] in "\"'"
            parts.append(self._take(_STRING)[1:-1] if quoted else self._take(_BARE_KEY))
            self._blank()
            if self._text[self._at] != ".":
                return tuple(parts)
            self._at += 1

    def _header(self) -> Path:
        line, array = self._here(), self._text.startswith("[[", self._at)
        self._at += 2 if array else 1
        *parents, last = self._key()
        self._at += 2 if array else 1
        table: Path = ()
        for part in parents:
            self.of.setdefault((*table, part), line)
            table = self._enter((*table, part))
        table = (*table, last)
        if array:
            self._items[table] = self._items.get(table, -1) + 1
            self.of.setdefault(table, line)
        table = self._enter(table)
        self.of[table] = line
        return table

    def _enter(self, table: Path) -> Path:
        return (*table, self._items[table]) if table in self._items else table

    def _pair(self, table: Path) -> None:
        line, path = self._here(), table
        for part in self._key():
            path = (*path, part)
            self.of.setdefault(path, line)
        self._at += 1  # =
        self._blank()
        self._value(path)

    def _value(self, path: Path) -> None:
        first = self._text[self._at]
        if first == "[":
            self._list(path)
        elif first == "{":
            self._inline(path)
        elif first in "\"'":
            self._take(_STRING)
        else:
            self._take(_SCALAR)

    def _list(self, path: Path) -> None:
        self._at += 1
        index = 0
        self._blank()
        while self._text[self._at] != "]":
            self.of[*path, index] = self._here()
            self._value((*path, index))
            index += 1
            self._comma()
        self._at += 1

    def _inline(self, path: Path) -> None:
        self._at += 1
        self._blank()
        while self._text[self._at] != "}":
            self._pair(path)
            self._comma()
        self._at += 1

    def _comma(self) -> None:
        self._blank()
        if self._text[self._at] == ",":
            self._at += 1
            self._blank()
