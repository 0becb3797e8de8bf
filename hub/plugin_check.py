"""Whether a plugin keeps the contract: names, imports, words for people, migrations."""

import ast
import asyncio
import importlib.metadata
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, pool

from hub.contract.model import Base
from hub.contract.plugin import Plugin
from hub.kernel.database import embedded
from hub.kernel.migrate import config, upgrade
from hub.kernel.registry import CENTRAL_GROUP, GROUP, PluginError, load

_CLOSED = frozenset({"api", "sync", "aiohttp"})


def check(name: str, *, schema: bool = False) -> list[str]:
    """Every fault of the installed plugin, or importable package, of that name."""
    try:
        plugins, manager = load(modules=() if _entry(name) else (name,))
    except PluginError as error:
        return str(error).splitlines()
    found = [
        (plugin, manager.get_plugin(key))
        for key, plugin in plugins.items()
        if key == name or getattr(manager.get_plugin(key), "__name__", "") == name
    ]
    if not found:
        return [f"{name}: no plugin of that name is installed"]
    plugin, module = found[0]
    faults = [*_names(name, plugin), *_words(plugin), *_imports(plugin, module)]
    faults += _migrations(plugin, list(plugins.values()))
    if schema and not faults:
        faults += _schema(plugin, list(plugins.values()))
    return faults


def _entry(name: str) -> bool:
    groups = (GROUP, CENTRAL_GROUP)
    return any(p.name == name for g in groups for p in importlib.metadata.entry_points(group=g))


def _names(asked: str, plugin: Plugin) -> Iterator[str]:
    own = plugin.name
    if _entry(asked) and asked != own:
        yield f"the entry point is {asked!r}, but the manifest says {own!r}"
    for res in plugin.resources:
        if not res.model.__tablename__.startswith(f"{own}_"):
            yield f"table {res.model.__tablename__}: its name has to begin with {own}_"
    for code in plugin.permissions:
        if code.split(".")[0] not in {own, *plugin.urls}:
            yield f"permission {code}: has to begin with {own}."
    for module in {e.module for e in plugin.actions} | {r.module for r in plugin.resources}:
        if module and module not in {own, *plugin.urls}:
            yield f"URL module {module!r} is not declared: add it to `urls` of the manifest"


def _words(plugin: Plugin) -> Iterator[str]:
    for endpoint in plugin.actions:
        if not endpoint.summary:
            yield f"{endpoint.method} {endpoint.path}: its function has no docstring"
    for res in plugin.resources:
        for action in res.actions.values():
            if not action.summary:
                yield f"{res.name}/{action.name}: its function has no docstring"


def _imports(plugin: Plugin, module: Any) -> Iterator[str]:
    """The contract is `import hub`; another plugin's names are those that it publishes."""
    file = module.__file__ or ""
    files = Path(file).parent.rglob("*.py") if file.endswith("__init__.py") else [Path(file)]
    for path in sorted(files):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            for target in _targets(node):
                if _closed(target):
                    line = getattr(node, "lineno", 0)
                    yield f"{path}:{line} imports {target}: plugins use what `hub` exports"
                parts = target.split(".")
                other = parts[1] if parts[0] == "plugins" and len(parts) > 1 else plugin.name
                if other not in {plugin.name, *plugin.requires}:
                    yield f"{path}: imports {target}, which the manifest does not require"


def _closed(target: str) -> bool:
    top = target.partition(".")[0]
    return top in _CLOSED or (target.startswith("hub.") and not target.startswith("hub.testing"))


def _targets(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [node.module]
    return []


def _migrations(plugin: Plugin, plugins: list[Plugin]) -> Iterator[str]:
    if plugin.migrations is None:
        if plugin.resources:
            yield "there are tables, but the manifest names no migrations"
        return
    if not plugin.migrations.is_dir():
        yield f"{plugin.migrations}: there is no such folder of migrations"
        return
    script = ScriptDirectory.from_config(config(plugins))
    own = [r for r in script.walk_revisions() if Path(r.path).parent == plugin.migrations]
    if not own:
        yield f"{plugin.migrations} holds no revision"
    for revision in own:
        if not revision.revision.startswith(f"{plugin.name}_"):
            given = revision.revision
            yield f"{revision.path}: revision {given!r} has to begin with {plugin.name}_"
    if own and not any(plugin.name in r.branch_labels for r in own):
        yield f"the first revision needs branch_labels = ({plugin.name!r},)"


def _schema(plugin: Plugin, plugins: list[Plugin]) -> list[str]:
    """Differences between the migrated tables of a plugin and its models."""

    async def compare(folder: Path) -> list[str]:
        async with embedded(folder) as dsn:
            return await asyncio.to_thread(_difference, dsn, plugin, plugins)

    with tempfile.TemporaryDirectory(prefix="busbar-check-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        return asyncio.run(compare(Path(folder) / "data"))


def _difference(dsn: str, plugin: Plugin, plugins: list[Plugin]) -> list[str]:
    upgrade(dsn, plugins)
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=pool.NullPool
    )

    def own(_object: Any, name: str | None, kind: str, *_: Any) -> bool:
        return kind != "table" or (name or "").startswith(f"{plugin.name}_")

    with engine.connect() as connection:
        options = {"include_object": own, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        found = compare_metadata(context, Base.metadata)
    return [f"models and migrations differ: {difference}" for difference in found]
