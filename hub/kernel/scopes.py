"""Row scopes: which rows of a table an actor sees, as SQL that plugins give."""

from typing import Any

import pluggy
from sqlalchemy import ColumnElement

from hub.contract.context import Actor
from hub.contract.model import Base, Entity

Conditions = tuple[ColumnElement[bool], ...]


class Scopes:
    """Asks `hub_row_scope`; all conditions of all plugins hold together."""

    def __init__(self, hooks: pluggy.PluginManager | None = None) -> None:
        asked: Any = hooks.hook.hub_row_scope if hooks else None
        self._ask = asked if asked is not None and asked.get_hookimpls() else None

    def __call__(self, actor: Actor, model: type[Entity]) -> Conditions:
        if self._ask is None:
            return ()
        return tuple(self._ask(actor=actor, model=model))

    def of(self, actor: Actor) -> dict[type[Entity], Conditions]:
        """Every table that is narrowed for this actor."""
        if self._ask is None:
            return {}
        classes = (mapper.class_ for mapper in Base.registry.mappers)
        asked = {c: self(actor, c) for c in classes if issubclass(c, Entity)}
        return {model: conditions for model, conditions in asked.items() if conditions}


ALL = Scopes()
