"""A hub is made only of what fits together."""

import types

import msgspec
import pytest

import config
from hub import Plugin, Role, hookimpl
from hub.kernel.run import make_hub, plugin_settings
from tests import memory_sync, toy


class Options(msgspec.Struct, forbid_unknown_fields=True):
    limit: int = 3


def plugin(settings=Options) -> types.ModuleType:
    module = types.ModuleType("acme")
    module.hub_plugin = hookimpl(lambda: Plugin(name="acme", runs_on=Role.BOTH, settings=settings))
    return module


def made(tmp_path, text: str, *modules, role: Role = Role.GATEWAY):
    path = tmp_path / "x.toml"
    path.write_text(text)
    return make_hub(config.load(path), role, modules=modules, installed=False)


def test_a_plugin_gets_its_own_table_or_its_defaults(tmp_path):
    hub = made(tmp_path, "[plugin.acme]\nlimit = 9\n", plugin(), role=Role.CENTRAL)
    assert plugin_settings(hub, "acme") == Options(limit=9)
    assert plugin_settings(made(tmp_path, "", plugin(), role=Role.CENTRAL), "acme") == Options()
    with pytest.raises(LookupError, match="acme declares no settings"):
        plugin_settings(made(tmp_path, "", plugin(None), role=Role.CENTRAL), "acme")


def test_faults_of_plugins_and_of_channels_are_told_together(tmp_path):
    text = "[plugin.acme]\nlimits = 9\n\n[[channels]]\nname = 'a'\ndriver = 'toi'\n"
    with pytest.raises(config.Faults) as caught:
        made(tmp_path, text, plugin(), toy, memory_sync)
    assert caught.value.lines == [
        f"{tmp_path}/x.toml:2: plugin.acme.limits: unknown key 'limits': did you mean 'limit'?",
        f"{tmp_path}/x.toml:6: channels[0].driver: no driver is called 'toi': did you mean 'toy'?",
    ]


def test_a_gateway_without_a_buffer_is_refused(tmp_path):
    with pytest.raises(Exception, match="plugin gateway: requires 'sync'"):
        made(tmp_path, "", toy)
