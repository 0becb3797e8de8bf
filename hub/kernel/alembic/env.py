"""Run by Alembic: compares and migrates on the connection that it is handed."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from hub.contract.model import Base
from hub.contract.types import UtcDateTime


def plain_types(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Revisions name SQL types, so that an old one never depends on today's code."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def tables_only(item: Any, _name: str | None, kind: str, *_: Any) -> bool:
    """What is mapped to a view is made by hand."""
    return not (kind == "table" and item.info.get("view"))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    compare_type=True,
    render_item=plain_types,
    include_object=tables_only,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
