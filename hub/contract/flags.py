"""Switches that an operator turns while the system runs."""

from typing import TYPE_CHECKING, Protocol

from .key import Key

if TYPE_CHECKING:
    from .context import Ctx


class Flags(Protocol):
    """Feature flags, decided for the caller: by user, by share of the users, by company."""

    async def on(self, ctx: "Ctx", code: str, *, default: bool = False) -> bool:
        """Whether the feature is on for `ctx.actor`; `default` where nobody has made the flag."""


FLAGS = Key[Flags]("feature flags")
