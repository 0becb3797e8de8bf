"""Between plugins: only published names of what is required; one name per domain everywhere."""

import ast
import importlib
import importlib.metadata
from pathlib import Path

import pytest

from hub import Plugin
from tests.architecture.source import modules

GROUPS = ("busbar.plugins", "busbar.plugins.central")
POINTS = [e for group in GROUPS for e in importlib.metadata.entry_points(group=group)]


@pytest.fixture(scope="module")
def manifests() -> dict[str, Plugin]:
    return {e.name: e.load().hub_plugin() for e in POINTS}


def test_entry_point_and_manifest_have_one_name(manifests: dict[str, Plugin]) -> None:
    assert {k: p.name for k, p in manifests.items()} == {k: k for k in manifests}


def test_plugins_import_only_published_names_of_what_they_require(
    manifests: dict[str, Plugin],
) -> None:
    wrong = []
    for path, tree in modules("plugins"):
        parts = Path(path).parts
        if len(parts) < 3:
            continue
        own = parts[1]
        for node in ast.walk(tree):
            if not (
                isinstance(node, ast.ImportFrom) and (node.module or "").startswith("plugins.")
            ):
                continue
            other = (node.module or "").split(".")[1]
            if other == own:
                continue
            published = set(getattr(importlib.import_module(f"plugins.{other}"), "__all__", ()))
            if other not in manifests[own].requires:
                wrong.append(f"{path}:{node.lineno} imports {other}, which {own} does not require")
            if node.module != f"plugins.{other}":
                wrong.append(f"{path}:{node.lineno} reaches into {node.module}")
            wrong += [
                f"{path}:{node.lineno} {a.name} is not published by {other}"
                for a in node.names
                if a.name not in published
            ]
    assert wrong == []


def test_tables_urls_and_permissions_carry_the_plugin_name(manifests: dict[str, Plugin]) -> None:
    wrong = []
    for name, plugin in manifests.items():
        for resource in plugin.resources:
            table = resource.model.__tablename__
            if not table.startswith(f"{name}_"):
                wrong.append(f"table {table} of plugin {name}")
        wrong += [
            f"permission {code} of plugin {name}"
            for code in plugin.permissions
            if code.split(".")[0] not in {name, *plugin.urls}
        ]
    assert wrong == []
