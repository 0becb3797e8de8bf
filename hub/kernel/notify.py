"""Tell the process that started this one how far it is, when that one asked to be told.

The parent passes the write end of a pipe as `BUSBAR_NOTIFY_FD`; each line on it is one JSON object.
Nothing secret is logged this way: the pipe has one reader.
"""

import os
from collections.abc import Mapping

import msgspec

VARIABLE = "BUSBAR_NOTIFY_FD"


def notify(state: str, facts: Mapping[str, object] | None = None) -> bool:
    """Write one line; False when nobody asked or the reader has gone."""
    fd = os.environ.get(VARIABLE)
    if fd is None:
        return False
    try:
        os.write(int(fd), msgspec.json.encode({"state": state, **(facts or {})}) + b"\n")
    except (OSError, ValueError):
        return False
    return True
