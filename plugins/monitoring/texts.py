"""Texts of alerts: `{{value}}`, `{{threshold}}`, `{{name}}`, `{{labels.…}}`."""

import re
from collections.abc import Mapping
from typing import Any

_PLACE = re.compile(r"{{\s*([A-Za-z0-9_.]{1,80})\s*}}")


def filled(template: str, words: Mapping[str, Any]) -> str:
    """The text with its places filled; numbers have at most six digits."""
    return _PLACE.sub(lambda m: _shown(words.get(m[1])), template)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
