"""Plugins that come and go, whoever's migrations depend on whose."""

import importlib

import psycopg

from hub.kernel.migrate import required, upgrade
from hub.testing.pytest_plugin import MODULES

FEW = ("plugins.identity", "plugins.jobs")


def manifests(modules):
    return [importlib.import_module(module).hub_plugin() for module in modules]


def test_what_only_a_plugin_that_is_gone_depended_on_is_not_run_again(database):
    for modules in (MODULES, FEW, (*FEW, "plugins.events"), MODULES, FEW, MODULES):
        plugins = manifests(modules)
        upgrade(database, plugins)
        with psycopg.connect(database) as connection:
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        assert {row[0] for row in rows} == required(plugins)
