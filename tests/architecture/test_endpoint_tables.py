"""What the README of a plugin says of its endpoints is what there is."""

import re

import pytest

from api import openapi
from hub.testing.endpoints import calls
from plugins import admin, monitoring, notifications
from tests.architecture.source import ROOT

PACKAGES = (notifications, monitoring, admin)
ROW = re.compile(
    r"^\| (GET|POST|PUT|DELETE) \| `([^`]+)` \| ([^|]+) \| (✓|—)(.*) \|$", re.MULTILINE
)
GENERIC = re.compile(r"/(import|imports/{id}/undo|bulk/[\w-]+)$")


def rows(package):
    folder = ROOT / "plugins" / package.hub_plugin().name
    return ROW.findall((folder / "README.md").read_text(encoding="utf-8"))


def described(package):
    """(method, path) → permission of every endpoint but the generic ones."""
    plugin, found = package.hub_plugin(), {}
    for resource in plugin.resources:
        resource.plugin = plugin.name
    for path, methods in openapi.document([plugin])["paths"].items():
        for method, operation in methods.items():
            if not GENERIC.search(path):
                found[method.upper(), path] = operation.get("x-permission")
    return found


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.__name__)
def test_what_is_ticked_is_there_with_that_permission_and_what_is_not_is_not(package):
    known, wrong = described(package), []
    for method, path, who, tick, about in rows(package):
        own = re.sub(r"{\w+}", "{}", path)
        found = {(m, re.sub(r"{\w+}", "{}", p)): w for (m, p), w in known.items()}
        if tick == "—":
            wrong += [path] if (method, own) in found or not about.strip() else []
            continue
        wanted = who.strip("` ") if who.startswith("`") else None
        if (method, own) not in found or found[method, own] != wanted:
            wrong.append(f"{method} {path}: {found.get((method, own), 'missing')}")
    assert wrong == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.__name__)
def test_every_verb_beyond_the_generic_ones_is_in_the_table(package):
    listed = {(m, re.sub(r"{\w+}", "{}", p)) for m, p, *_ in rows(package)}
    plugin = package.hub_plugin()
    own = {
        (c.method, re.sub(r"{\w+}", "{}", c.documented))
        for c in calls([plugin])
        if not GENERIC.search(c.documented)
    }
    verbs = {(m, p) for m, p in own if m == "GET" and not p.endswith("{}")}
    for res in plugin.resources:
        verbs |= {
            (a.method, f"{res.path}/{{}}/{a.name}" if a.item else f"{res.path}/{a.name}")
            for a in res.actions.values()
        }
    assert sorted(verbs - listed) == []
