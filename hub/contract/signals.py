"""Short messages between the processes of the centre: hints to look, not data to keep."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .context import Ctx


class Signals(Protocol):
    """A listener that is too slow loses the oldest; so does everybody when a link breaks."""

    async def tell(self, ctx: "Ctx", topic: str, text: str = "") -> None:
        """Tell all processes, this one too, when the transaction commits. text: ≤ 7,000 bytes."""

    def listen(self, *topics: str) -> AbstractAsyncContextManager[AsyncIterator[tuple[str, str]]]:
        """Topics and texts from here on. An empty text may also mean that some were lost."""
