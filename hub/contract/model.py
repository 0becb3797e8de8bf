"""Base classes of tables."""

import datetime as dt
import enum
import uuid
from typing import Any, ClassVar

from sqlalchemy import Enum, ForeignKeyConstraint, Index, MetaData, Table, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from .ids import uuid7
from .types import Id, Instant, UtcDateTime

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def _values(members: type[enum.Enum]) -> list[str]:
    return [str(m.value) for m in members]


class Base(DeclarativeBase):
    """Metadata of all plugins. Row-level security protects every table with a column `tenant`."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        enum.StrEnum: Enum(enum.StrEnum, native_enum=False, length=32, values_callable=_values),
        uuid.UUID: Uuid(),
        dt.datetime: UtcDateTime(),
    }


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Entity(Base):
    """A row of one tenant: id, tenant, revision, times.

    The key is (tenant, id), and `ref` points at both, so a row cannot name another tenant's.
    `__own__` names the column of the user whose row it is: nobody else ever sees it, and for what
    he does with it he needs no permission.
    """

    __abstract__ = True
    __audited__: ClassVar[bool] = True
    __own__: ClassVar[str] = ""
    tenant: Mapped[Id] = mapped_column(primary_key=True, info={"hidden": True}, sort_order=-91)
    id: Mapped[Id] = mapped_column(
        primary_key=True, default=uuid7, info={"read_only": True}, sort_order=-90
    )
    revision: Mapped[int] = mapped_column(info={"read_only": True}, sort_order=90)
    created_at: Mapped[Instant] = mapped_column(
        default=now, info={"read_only": True}, sort_order=91
    )
    updated_at: Mapped[Instant] = mapped_column(
        default=now, info={"read_only": True}, sort_order=92
    )

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805
        return {"version_id_col": cls.revision}

    def __init_subclass__(cls, **kw: Any) -> None:
        super().__init_subclass__(**kw)
        table = cls.__dict__.get("__table__")
        if isinstance(table, Table):
            _bind_references(table)
        if cls.__own__:
            Base.metadata.info.setdefault("owned", []).append(cls)


class SoftDelete:
    """Mixin: deleting keeps the row, which no read shows any more."""

    deleted_at: Mapped[Instant | None] = mapped_column(info={"hidden": True}, sort_order=93)


def _bind_references(table: Table) -> None:
    for column in list(table.columns):
        target = column.info.get("ref")
        if target:
            table.append_constraint(
                ForeignKeyConstraint(
                    ["tenant", column.name],
                    [f"{target}.tenant", f"{target}.id"],
                    ondelete=column.info.get("ondelete"),
                )
            )
            Index(None, table.c.tenant, column)


def col(
    *,
    read_only: bool = False,
    create_only: bool = False,
    write_only: bool = False,
    hidden: bool = False,
    secret: bool = False,
    label: str = "",
    **kw: Any,
) -> Any:
    """`mapped_column` plus what a client may do with the field.

    hidden: never leaves the server and cannot be sent. write_only: can be sent, is never
    answered. secret, write_only: the audit does not tell the values.
    """
    flags = {
        "read_only": read_only,
        "create_only": create_only,
        "write_only": write_only,
        "hidden": hidden,
        "secret": secret,
        "label": label,
    }
    return mapped_column(info={k: v for k, v in flags.items() if v}, **kw)


def ref(target: str, *, cascade: bool = False, **kw: Any) -> Any:
    """A reference to a row of the same tenant in table `target`; checked before it is written.

    cascade: the row goes with its parent; otherwise a parent that is referred to stays.
    """
    column = col(**kw)
    column.column.info |= {"ref": target, "ondelete": "CASCADE" if cascade else None}
    return column
