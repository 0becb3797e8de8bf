"""Where things stand in a TOML text, for messages that name the line."""

import re

_HEADER = re.compile(r"^\s*(\[\[?)\s*([\w.\-]+)\s*\]\]?")
_KEY = re.compile(r"^\s*([\w\-]+)\s*=")
_ROW = re.compile(r"^\s*\{")
_INLINE_KEY = re.compile(r"[{,]\s*([\w\-]+)\s*=")
_ARRAY = re.compile(r"=\s*\[\s*(#.*)?$")

Path = tuple[str | int, ...]


class Lines:
    """Lines of tables, array elements and keys, by path: `("points", 3, "unit")`.

    Understands `[table]`, `[[array]]` and arrays with one inline table a line; what it does not
    find is placed at the nearest thing around it.
    """

    def __init__(self, text: str) -> None:
        self._at: dict[Path, int] = {(): 1}
        self._counts: dict[Path, int] = {}
        self._table: Path = ()
        self._array: Path | None = None
        for number, line in enumerate(text.splitlines(), 1):
            self._read(line, number)

    def _element(self, array: Path, number: int) -> Path:
        index = self._counts.get(array, 0)
        self._counts[array] = index + 1
        self._at.setdefault(array, number)
        self._at[*array, index] = number
        return (*array, index)

    def _read(self, line: str, number: int) -> None:
        if self._array is not None:
            if _ROW.match(line):
                row = self._element(self._array, number)
                for key in _INLINE_KEY.findall(line):
                    self._at[*row, key] = number
            elif line.strip().startswith("]"):
                self._array = None
            return
        if header := _HEADER.match(line):
            path = tuple(header[2].split("."))
            self._table = self._element(path, number) if header[1] == "[[" else path
            self._at[self._table] = number
        elif key := _KEY.match(line):
            path = (*self._table, key[1])
            self._at.setdefault(path, number)
            if _ARRAY.search(line):
                self._array = path

    def find(self, *path: str | int) -> int:
        """The line of that path, or of the nearest thing around it."""
        while path not in self._at:
            path = path[:-1]
        return self._at[path]
