"""Places inside JSON: `$.data.voltage`, `$.phases[0].u`, `$.list[name=voltage].value`."""

import re
from typing import Any

from hub import ConfigError

Step = str | int | tuple[str, str]
Path = tuple[Step, ...]
_STEP = re.compile(
    r"\.(?P<name>[^.\[\]]+)|\[(?P<index>\d+)\]|\[(?P<key>[^=\]]+)=(?P<equals>[^\]]*)\]"
    r"|\['(?P<quoted>[^']+)'\]"
)
MISSING = object()


def parse(text: str) -> Path:
    """Compile a path; ConfigError shows where it stops making sense."""
    if not text.startswith("$"):
        raise ConfigError(f"{text!r} is no JSON path: it begins with $")
    steps: list[Step] = []
    at = 1
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise ConfigError(f"{text!r} is no JSON path: not understood from {text[at:]!r} on")
        if match["index"]:
            steps.append(int(match["index"]))
        elif match["key"]:
            steps.append((match["key"], match["equals"]))
        else:
            steps.append(match["name"] or match["quoted"])
        at = match.end()
    return tuple(steps)


def find(document: Any, path: Path) -> Any:
    """What stands there, or `MISSING`."""
    here = document
    try:
        for step in path:
            here = here[step]
    except (KeyError, TypeError, IndexError):
        return _search(document, path)
    # A number also picks a letter of a text, which is not meant.
    if isinstance(here, str) and path and isinstance(path[-1], int):
        return _search(document, path)
    return here


def _search(document: Any, path: Path) -> Any:
    """Step by step, with regard to what each step finds."""
    here = document
    for step in path:
        if isinstance(step, str):
            here = here.get(step, MISSING) if isinstance(here, dict) else MISSING
        elif not isinstance(here, list):
            return MISSING
        elif isinstance(step, int):
            here = here[step] if step < len(here) else MISSING
        else:
            key, wanted = step
            here = next(
                (x for x in here if isinstance(x, dict) and str(x.get(key)) == wanted), MISSING
            )
        if here is MISSING:
            return MISSING
    return here
