"""Every permission that there is, by module: what a role may be made of."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec

from hub import Ctx, Key, Op, Plugin, query


class Permission(msgspec.Struct, kw_only=True, order=True):
    """description: what it allows, where a plugin says so."""

    code: str
    description: str = ""


class Module(msgspec.Struct, kw_only=True, order=True):
    module: str
    plugin: str
    permissions: list[Permission]


class Modules(msgspec.Struct):
    items: list[Module]


PERMISSIONS = Key[Modules]("permissions")


def collect(plugins: Iterable[Plugin]) -> Modules:
    """The permissions of everything that plugins declare."""
    found: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for plugin in plugins:
        for code, what in (*_declared(plugin), *plugin.permissions.items()):
            if code is None:  # what every caller may
                continue
            told = found[code.partition(".")[0], plugin.name]
            told[code] = told.get(code) or what
    return Modules(
        [
            Module(
                module=module,
                plugin=plugin,
                permissions=[Permission(code=c, description=d) for c, d in sorted(told.items())],
            )
            for (module, plugin), told in sorted(found.items())
        ]
    )


def _declared(plugin: Plugin) -> Iterator[tuple[str | None, str]]:
    for res in plugin.resources:
        title = res.title or res.name
        for op in Op:
            if op in res.ops:
                reads = op in Op.READ
                yield res.permission(op), f"{'Read' if reads else 'Change'} {title.lower()}"
        for action in res.actions.values():
            yield res.action_permission(action), action.summary
    for item in plugin.actions:
        yield item.permission, item.summary
    for room in plugin.rooms:
        yield room.permission, ""


@query("permissions", permission="identity.roles.read")
async def catalogue(ctx: Ctx) -> Modules:
    """Return every permission that a role may hold, by module."""
    return ctx.get(PERMISSIONS)
