"""What `busbar check-plugin` finds, on a package that breaks one rule after the other."""

import sys

import pytest

from hub.plugin_check import check

MODELS = """
from sqlalchemy.orm import Mapped
from hub import Entity, Name, Resource
class Thing(Entity):
    __tablename__ = "strange_thing"
    name: Mapped[Name]
things = Resource(name="things", model=Thing)
@things.action("shake")
async def shake(ctx, row):
    ...
"""
MANIFEST = """
import aiohttp
from hub import Plugin, hookimpl
from hub.kernel.uow import Unit
from .models import things
@hookimpl
def hub_plugin():
    return Plugin(name="wrongly", resources=(things,),
                  permissions={"elsewhere.x.read": "x"})
"""


@pytest.fixture
def wrongly(tmp_path, monkeypatch):
    package = tmp_path / "wrongly_made"
    package.mkdir()
    (package / "__init__.py").write_text(MANIFEST)
    (package / "models.py").write_text(MODELS)
    monkeypatch.syspath_prepend(tmp_path)
    yield "wrongly_made"
    from hub.contract.model import Base

    model = sys.modules["wrongly_made.models"].Thing
    Base.registry._dispose_cls(model)
    Base.metadata.remove(model.__table__)
    for name in ("wrongly_made", "wrongly_made.models"):
        del sys.modules[name]


def test_every_broken_rule_is_told_with_its_place(wrongly):
    faults = "\n".join(check(wrongly))
    for part in (
        "table strange_thing: its name has to begin with wrongly_",
        "permission elsewhere.x.read: has to begin with wrongly.",
        "things/shake: its function has no docstring",
        "__init__.py:2 imports aiohttp",
        "__init__.py:4 imports hub.kernel.uow",
        "the manifest names no migrations",
    ):
        assert part in faults


def test_our_own_plugins_keep_the_rules():
    assert check("scada") == []
    assert check("identity") == []


def test_what_is_not_installed_is_said_so():
    assert "cannot_be_there" in check("cannot_be_there")[0]
