"""Settings that a company changes while the system runs."""

from typing import TYPE_CHECKING, Protocol, TypeVar

from .key import Key

if TYPE_CHECKING:
    from .context import Ctx

T = TypeVar("T")


class Options(Protocol):
    """What holds for a company: its own values over the installation's over the defaults."""

    async def of(self, ctx: "Ctx", plugin: str, kind: type[T]) -> T:
        """The `Plugin.options` struct of a plugin with the values of the actor's company."""


OPTIONS = Key[Options]("options of companies")
