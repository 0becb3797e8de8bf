"""How far a target is, in a file that survives a power cut."""

import os
from pathlib import Path
from uuid import UUID

import msgspec


class Position(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last frame of the telemetry that the target has; epoch: of the sequence numbers."""

    epoch: UUID | None = None
    seq: int = 0


class Cursor:
    """Both methods block. A file that cannot be read counts as none: everything is sent again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Position:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Position)
        except (OSError, msgspec.MsgspecError):
            return Position()

    def save(self, position: Position) -> None:
        """Raises OSError; the old one stands then."""
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode(position))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
