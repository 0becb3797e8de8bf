"""Every endpoint that plugins declare, as the walk over them sees it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hub.contract.plugin import Plugin
from hub.contract.resource import Op, Resource
from hub.kernel import bulk

from .sample import sample

NOBODYS = UUID(int=1)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request that would be valid. permission: None = any signed-in caller.

    template: the path as it is described, where it has other places than `{id}`. free: the body
    may have any field.
    """

    method: str
    path: str
    permission: str | None
    body: Any = None
    query: dict[str, str] | None = None
    template: str = ""
    free: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def documented(self) -> str:
        return self.template or self.path.replace(str(NOBODYS), "{id}")


def calls(plugins: Iterable[Plugin]) -> Iterator[Call]:
    """A call of every endpoint behind a sign-in, about a row that does not exist."""
    for plugin in plugins:
        for endpoint in plugin.actions:
            if endpoint.public:
                continue
            sign = endpoint.signature
            base = f"/api/v1/{endpoint.module or plugin.name}"
            template = path = f"{base}/{endpoint.path}".rstrip("/")
            for name in sign.places:
                path = path.replace(f"{{{name}}}", str(NOBODYS))
            query = {k: str(v) for k, v in sample(sign.params).items()} if sign.params else None
            body = sample(sign.body) if sign.body else None
            yield Call(
                method=endpoint.method,
                path=path,
                permission=endpoint.permission,
                body=body,
                query=query,
                template=template,
                free=not hasattr(sign.body, "__struct_fields__"),
            )
        for resource in plugin.resources:
            resource.plugin = plugin.name
            yield from _rows(resource)


def _rows(res: Resource[Any]) -> Iterator[Call]:
    one = f"{res.path}/{NOBODYS}"
    table: tuple[tuple[Op, str, str, Any], ...] = (
        (Op.LIST, "GET", res.path, None),
        (Op.CREATE, "POST", res.path, sample(res.create)),
        (Op.GET, "GET", one, None),
        (Op.UPDATE, "PUT", one, {}),
        (Op.UPDATE, "PATCH", one, {}),
        (Op.DELETE, "DELETE", one, None),
    )
    for op, method, path, body in table:
        if op in res.ops:
            yield Call(method=method, path=path, permission=res.permission(op), body=body)
    if Op.CREATE in res.ops:
        yield Call(method="POST", path=f"{res.path}/import", permission=res.permission(Op.CREATE))
        gone = res.permission(Op.DELETE if Op.DELETE in res.ops else Op.CREATE)
        yield Call(method="POST", path=f"{res.path}/imports/{NOBODYS}/undo", permission=gone)
    for ask in bulk.asks(res):
        yield Call(
            method="POST",
            path=f"{res.path}/bulk/{ask.name}",
            permission=ask.permission,
            body=sample(ask.type, ids=[str(NOBODYS)]),
        )
    for action in res.actions.values():
        path = f"{one}/{action.name}" if action.item else f"{res.path}/{action.name}"
        body = sample(action.signature.body) if action.signature.body else None
        yield Call(
            method=action.method, path=path, permission=res.action_permission(action), body=body
        )
