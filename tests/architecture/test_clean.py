"""What the repository must not hold."""

import re

import pytest

from tests.architecture.source import ROOT, tracked

TEXT = (".py", ".md", ".toml", ".yml", ".yaml", ".ts", ".vue", ".sh", ".json", ".html", ".css")
FORBIDDEN = {
    "a registry host": r"(pypi|deb\.debian)\.o" + r"rg|python" + r"hosted|registry\.n" + r"pmjs",
    "an unfinished place": r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b",
    "a private key": r"-----BEGIN (RSA |EC )?PRIVATE" + r" KEY-----",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked(*TEXT)
        if path.name != "package-lock.json"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []
