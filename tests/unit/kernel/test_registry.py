"""Plugins fit together, or the start is refused with every reason."""

import logging
import types

import pytest

from hub import Plugin, Role, hookimpl
from hub.kernel.registry import PluginError, load


def package(name: str, hooks=(), **manifest) -> types.ModuleType:
    module = types.ModuleType(f"pkg_{name}")
    manifest.setdefault("runs_on", Role.BOTH)
    module.hub_plugin = hookimpl(lambda: Plugin(name=name, **manifest))
    for hook in hooks:
        setattr(module, hook.__name__, hookimpl(hook))
    return module


def names(*modules, **options) -> list[str]:
    plugins, _ = load(modules=modules, installed=False, **options)
    return list(plugins)


def fault(*modules, **options) -> str:
    with pytest.raises(PluginError) as caught:
        names(*modules, **options)
    return str(caught.value)


def test_a_plugin_starts_behind_what_it_requires_and_comes_after():
    a, b = package("a", requires=("b",)), package("b", after=("c", "missing"))
    web, c = package("web", after=("*",)), package("c")
    assert names(web, a, b, c) == ["c", "b", "a", "web"]


def test_only_plugins_of_the_role_are_loaded():
    assert names(package("g", runs_on=Role.GATEWAY), package("c"), role=Role.CENTRAL) == ["c"]


def test_a_blocked_plugin_is_left_out_by_either_name():
    assert names(package("a"), package("b"), blocked=("a",)) == ["b"]
    assert names(package("a"), package("b"), blocked=("pkg_a",)) == ["b"]


def test_an_unmet_requirement_is_named():
    assert fault(package("a", requires=("b",))) == "plugin a: requires 'b', which is not loaded"


def test_a_circle_is_named():
    text = fault(package("a", requires=("b",)), package("b", requires=("a",)))
    assert text == "plugins require each other in a circle: a, b"


def test_two_plugins_of_one_name_are_refused():
    assert "the name 'a' is taken" in fault(package("a"), package("a"))


def test_an_unknown_hook_and_an_unknown_argument_are_refused():
    def hub_startupp(hub):
        return None

    def hub_startup(hub, extra):
        return None

    assert "hub_startupp" in fault(package("a", [hub_startupp]))
    assert "extra" in fault(package("a", [hub_startup]))


def test_an_import_that_fails_is_named_and_does_not_hide_other_faults(caplog):
    with caplog.at_level(logging.CRITICAL):
        text = fault("no_such_package_at_all", package("a", requires=("b",)), types.ModuleType("x"))
    assert "plugin no_such_package_at_all: its import fails: ModuleNotFoundError" in text
    assert "plugin a: requires 'b'" in text
    assert "plugin x: needs a function hub_plugin()" in text


def test_hook_calls_can_be_traced(caplog):
    def hub_startup(hub):
        return None

    _, hooks = load(modules=[package("a", [hub_startup])], installed=False, trace=True)
    with caplog.at_level(logging.DEBUG):
        hooks.hook.hub_startup(hub=1)
    assert "hub_startup(hub) of ['a']" in caplog.text


def test_all_installed_plugins_fit_together():
    plugins, _ = load()
    assert "api" in plugins
