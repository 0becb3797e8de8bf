"""Row scopes: which rows of a table an actor sees: his own, and what plugins narrow by SQL."""

from typing import Any
from uuid import UUID

import pluggy
from sqlalchemy import ColumnElement, false

from hub.contract.context import Actor
from hub.contract.model import Base, Entity

Conditions = tuple[ColumnElement[bool], ...]
_HUMAN = frozenset({"user", "api_key"})


class Scopes:
    """Asks `hub_row_scope`; all conditions of all plugins hold together."""

    def __init__(self, hooks: pluggy.PluginManager | None = None) -> None:
        asked: Any = hooks.hook.hub_row_scope if hooks else None
        self._ask = asked if asked is not None and asked.get_hookimpls() else None

    def __call__(self, actor: Actor, model: type[Entity]) -> Conditions:
        mine = _own(actor, model) if model.__own__ and actor.kind != "system" else ()
        if self._ask is None:
            return mine
        return (*mine, *self._ask(actor=actor, model=model))

    def of(self, actor: Actor) -> dict[type[Entity], Conditions]:
        """Every table that is narrowed for this actor."""
        if self._ask is None:
            asked = {c: self(actor, c) for c in Base.metadata.info.get("owned", ())}
        else:
            classes = (mapper.class_ for mapper in Base.registry.mappers)
            asked = {c: self(actor, c) for c in classes if issubclass(c, Entity)}
        return {model: conditions for model, conditions in asked.items() if conditions}


def _own(actor: Actor, model: type[Entity]) -> Conditions:
    """Rows of this user; who is none has no rows of his own."""
    try:
        user = UUID(actor.id) if actor.kind in _HUMAN else None
    except ValueError:
        user = None
    owner: ColumnElement[Any] = model.__mapper__.columns[model.__own__]
    return (false() if user is None else owner == user,)


ALL = Scopes()
