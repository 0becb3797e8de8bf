"""Resources described for a client that draws its screens from the description."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from api import fields
from api.labels import Labels, Texts
from api.resources import action_path
from hub import Actor, Op, Plugin, Resource
from hub.contract.endpoint import Action

_TITLES = ("name", "title", "full_name", "code", "email", "username")


class Option(msgspec.Struct):
    value: str
    label: Texts


class Field(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A field of a row or of a body. ref: key of the resource that it points at."""

    name: str
    label: Texts
    kind: str
    required: bool = False
    nullable: bool = False
    readable: bool = True
    creatable: bool = True
    editable: bool = True
    ref: str = ""
    options: list[Option] = []
    items: str = ""
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str = ""
    hint: str = ""


class Verb(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An action. start, end: states of `status` that a transition leads from and to."""

    name: str
    label: Texts
    method: str
    path: str
    summary: str = ""
    item: bool = True
    start: list[str] = []
    end: str = ""
    body: list[Field] | None = None


class Described(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A resource as one caller may use it. display: the field that names a row to people."""

    key: str
    plugin: str
    name: str
    path: str
    label: Texts
    display: str
    fields: list[Field]
    operations: list[str]
    actions: list[Verb] = []
    filters: list[str] = []
    sort: list[str] = []
    search: list[str] = []


class Group(msgspec.Struct, kw_only=True):
    """What one plugin adds to the menu."""

    plugin: str
    label: Texts
    items: list["Item"]


class Item(msgspec.Struct, kw_only=True):
    key: str
    label: Texts


class Catalogue:
    """Descriptions of all resources, made once; each caller gets what he may use."""

    def __init__(self, plugins: Iterable[Plugin]) -> None:
        self._plugins = tuple(plugins)
        self._labels = {p.name: Labels(p.locale) for p in self._plugins}
        self._resources = {f"{p.name}.{r.name}": r for p in self._plugins for r in p.resources}
        self._tables = {r.model.__tablename__: k for k, r in self._resources.items()}
        self._described = {key: self._describe(key, res) for key, res in self._resources.items()}

    @property
    def plugins(self) -> list[str]:
        return [p.name for p in self._plugins]

    def find(self, key: str) -> Resource[Any] | None:
        return self._resources.get(key)

    def of(self, actor: Actor) -> list[Described]:
        """The resources that the actor may list, with the operations that he may call."""
        return [
            msgspec.structs.replace(
                self._described[key],
                operations=[_word(op) for op in _OPS if _allowed(res, op, actor)],
                actions=[
                    verb
                    for verb in self._described[key].actions
                    if actor.may(res.action_permission(res.actions[verb.name]))
                ],
            )
            for key, res in self._resources.items()
            if _allowed(res, Op.LIST, actor)
        ]

    def searchable(self, actor: Actor) -> list[tuple[str, Resource[Any], str]]:
        """Key, resource and naming field of all that the actor may search."""
        return [
            (key, res, self._described[key].display)
            for key, res in self._resources.items()
            if res.search and _allowed(res, Op.LIST, actor)
        ]

    def menu(self, actor: Actor) -> list[Group]:
        """One group a plugin, of its lists."""
        groups = []
        for plugin in self._plugins:
            items = [
                Item(key=f"{plugin.name}.{res.name}", label=self._label(plugin, res))
                for res in plugin.resources
                if _allowed(res, Op.LIST, actor)
            ]
            if items:
                label = self._labels[plugin.name].title(plugin.title or plugin.name)
                groups.append(Group(plugin=plugin.name, label=label, items=items))
        return groups

    def _label(self, plugin: Plugin, res: Resource[Any]) -> Texts:
        return self._labels[plugin.name].resource(res.name)

    def _describe(self, key: str, res: Resource[Any]) -> Described:
        plugin, _, name = key.partition(".")
        labels = self._labels[plugin]
        display = next((t for t in _TITLES if t in res.read_fields), "id")
        return Described(
            key=key,
            plugin=plugin,
            name=name,
            path=res.path.removeprefix("/api/v1"),
            label=labels.resource(name),
            display=display,
            fields=[self._field(labels, res, f) for f in res.fields],
            operations=[],
            actions=[self._verb(labels, res, action) for action in res.actions.values()],
            filters=list(res.filters),
            sort=list(res.sort),
            search=list(res.search),
        )

    def _field(self, labels: Labels, res: Resource[Any], field: Any) -> Field:
        info: Mapping[str, Any] = field.info
        made = _field_of(labels, res.name, field.name, fields.value(field.type))
        made.required = not field.optional and not info.get("read_only")
        made.readable = not info.get("write_only")
        made.creatable = not info.get("read_only")
        made.editable = made.creatable and not info.get("create_only")
        made.ref = self._tables.get(info.get("ref", ""), "")
        made.default = _default(res, field.name)
        return made

    def _verb(self, labels: Labels, res: Resource[Any], action: Action) -> Verb:
        body = action.signature.body
        return Verb(
            name=action.name,
            label=labels.action(res.name, action.name),
            method=action.method,
            path=action_path(res, action).removeprefix("/api/v1"),
            summary=action.summary,
            item=action.item,
            start=list(action.start),
            end=action.end,
            body=None if body is None else self._body(labels, res, body),
        )

    def _body(self, labels: Labels, res: Resource[Any], type_: Any) -> list[Field]:
        made = []
        for info, kind in fields.members(type_):
            field = _field_of(labels, res.name, info.encode_name, kind)
            field.required = info.required
            if "uuid" in (kind.kind, kind.items):
                field.ref = self._named(res.plugin, info.encode_name)
            made.append(field)
        return made

    def _named(self, plugin: str, name: str) -> str:
        """The plugin's resource that a field of a body is named for: `roles`, or `role_id`."""
        names = (name, f"{name.removesuffix('_id')}s", f"{name.removesuffix('_ids')}s")
        return next((key for n in names if (key := f"{plugin}.{n}") in self._resources), "")


_OPS = (Op.LIST, Op.GET, Op.CREATE, Op.UPDATE, Op.DELETE)


def _default(res: Resource[Any], name: str) -> Any:
    """What a field becomes that is not sent; None where that is computed."""
    default = res.model.__mapper__.columns[name].default
    given = getattr(default, "arg", None) if getattr(default, "is_scalar", False) else None
    return msgspec.to_builtins(given)


def _word(op: Op) -> str:
    return (op.name or "").lower()


def _allowed(res: Resource[Any], op: Op, actor: Actor) -> bool:
    return op in res.ops and actor.may(res.permission(op))


def _field_of(labels: Labels, resource: str, name: str, kind: fields.Value) -> Field:
    known = msgspec.structs.asdict(kind)
    known["options"] = [Option(o, labels.option(resource, name, o)) for o in kind.options]
    return Field(name=name, label=labels.field(resource, name), **known)
