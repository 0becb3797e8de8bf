"""Finds plugins, checks them together and puts them in order; any fault stops the start."""

import importlib
import importlib.metadata
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

import pluggy

from hub.contract import plugin as contract
from hub.contract.errors import ConfigError
from hub.contract.plugin import PROJECT, Plugin, Role

log = logging.getLogger(__name__)

GROUP = "busbar.plugins"
CENTRAL_GROUP = f"{GROUP}.central"  # a gateway does not even import these
Loaded = tuple[dict[str, Plugin], pluggy.PluginManager]


class PluginError(ConfigError):
    """The plugins do not fit together."""

    code = "plugin"


def load(
    role: Role | None = None,
    *,
    modules: Iterable[str | ModuleType] = (),
    blocked: Sequence[str] = (),
    installed: bool = True,
    trace: bool = False,
) -> Loaded:
    """Plugins that run in `role` (all when None), in the order in which they start.

    modules: packages beside the installed ones. blocked: names that are left out. trace: log every
    hook call at debug level. PluginError tells everything that is wrong at once.
    """
    faults: list[str] = []
    found: dict[str, tuple[Plugin, Any]] = {}
    groups = _groups(role) if installed else ()
    for label, get in _candidates(modules, groups):
        if label in blocked:
            continue
        pair = _open(label, get, faults)
        if pair is None or pair[0].name in blocked or not (role is None or pair[0].runs_on & role):
            continue
        name = pair[0].name
        if name in found and found[name][1] is not pair[1]:
            faults.append(f"plugin {label}: the name {name!r} is taken: block one of the two")
        found.setdefault(name, pair)
    order = _order({name: plugin for name, (plugin, _) in found.items()}, faults)
    manager = _register({name: found[name][1] for name in order}, faults)
    if faults:
        raise PluginError("\n".join(faults))
    for name, (plugin, _) in found.items():
        for resource in plugin.resources:
            resource.plugin = name
    if trace:
        manager.add_hookcall_monitoring(_before, _after)
    return {name: found[name][0] for name in order}, manager


def _groups(role: Role | None) -> tuple[str, ...]:
    return (GROUP,) if role is Role.GATEWAY else (GROUP, CENTRAL_GROUP)


def _candidates(
    modules: Iterable[str | ModuleType], groups: Iterable[str]
) -> list[tuple[str, Callable[[], Any]]]:
    found: list[tuple[str, Callable[[], Any]]] = []
    for m in modules:
        if isinstance(m, str):
            found.append((m, lambda m=m: importlib.import_module(m)))  # type: ignore[misc]
        else:
            found.append((getattr(m, "__name__", repr(m)), lambda m=m: m))  # type: ignore[misc]
    points = [p for group in groups for p in importlib.metadata.entry_points(group=group)]
    return found + [(p.name, p.load) for p in sorted(points, key=lambda p: p.name)]


def _open(label: str, get: Callable[[], Any], faults: list[str]) -> tuple[Plugin, Any] | None:
    try:
        module = get()
    except Exception as e:
        log.exception("plugin %s cannot be imported", label, extra={"action": "plugin.import"})
        faults.append(f"plugin {label}: its import fails: {e!r}")
        return None
    hook = getattr(module, "hub_plugin", None)
    plugin = hook() if callable(hook) else None
    if not isinstance(plugin, Plugin):
        faults.append(f"plugin {label}: needs a function hub_plugin() that returns a Plugin")
        return None
    return plugin, module


def _order(plugins: Mapping[str, Plugin], faults: list[str]) -> list[str]:
    """Names, each behind what it requires and comes after; a cycle is a fault."""
    wants: dict[str, set[str]] = {}
    for name, plugin in plugins.items():
        faults += [
            f"plugin {name}: requires {other!r}, which is not loaded"
            for other in plugin.requires
            if other not in plugins
        ]
        wants[name] = {o for o in (*plugin.requires, *plugin.after) if o in plugins}
        if "*" in plugin.after:
            wants[name] |= {o for o, p in plugins.items() if "*" not in p.after}
    order: list[str] = []
    while wants:
        ready = [name for name, needs in wants.items() if not needs - set(order)]
        if not ready:
            faults.append(f"plugins require each other in a circle: {', '.join(sorted(wants))}")
            return [*order, *wants]
        order.append(ready[0])
        del wants[ready[0]]
    return order


def _register(modules: Mapping[str, Any], faults: list[str]) -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(contract)
    for name, module in modules.items():
        try:
            manager.register(module, name)
        except (pluggy.PluginValidationError, ValueError) as e:
            faults.append(f"plugin {name}: {e}")
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as e:
        faults.append(str(e))
    return manager


def _before(hook: str, impls: Sequence[Any], arguments: Mapping[str, Any]) -> None:
    names = [i.plugin_name for i in impls]
    log.debug("%s(%s) of %s", hook, ", ".join(arguments), names, extra={"action": "hook.call"})


def _after(outcome: Any, hook: str, impls: Sequence[Any], arguments: Mapping[str, Any]) -> None:
    result = outcome.exception or outcome.get_result()
    log.debug("%s -> %r", hook, result, extra={"action": "hook.result"})
