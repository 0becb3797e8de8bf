"""`import hub` is a promise: exactly these names, cheap to import, each documented."""

import ast
import subprocess
import sys
from types import ModuleType

import pytest

import hub
from hub.contract import plugin as specs
from tests.architecture.source import PRODUCT, ROOT, modules

README = ROOT / "hub" / "README.md"


def test_all_names_exactly_what_is_public() -> None:
    public = {n for n in dir(hub) if not n.startswith("_")} | set(hub.__all__)
    modules = {n for n in public if isinstance(getattr(hub, n), ModuleType)}
    assert public - modules - {"Any", "TYPE_CHECKING"} == set(hub.__all__)


def test_every_exported_name_and_hook_is_in_the_readme() -> None:
    text = README.read_text()
    hooks = [n for n in vars(specs) if n.startswith("hub_")]
    assert [n for n in (*hub.__all__, *hooks) if f"`{n}" not in text] == []


def test_hooks_stay_few() -> None:
    assert len([n for n in vars(specs) if n.startswith("hub_")]) <= 12


@pytest.mark.parametrize(
    "heavy", ["sqlalchemy", "aiohttp", "pymodbus", "alembic", "psycopg", "aiomqtt", "hub.kernel"]
)
def test_importing_the_contract_pulls_in_nothing_heavy(heavy: str) -> None:
    code = f"import sys, hub; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_every_module_imports_alone_and_without_a_warning() -> None:
    names = [
        p.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        for p, _ in modules(*PRODUCT)
    ]
    names = [n for n in names if ".migrations" not in n and ".alembic" not in n]
    code = "import importlib, sys\nfor n in sys.argv[1:]: importlib.import_module(n)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_module_says_what_it_is() -> None:
    silent = [n for n, tree in modules(*PRODUCT) if ast.get_docstring(tree) is None]
    assert [n for n in silent if "/versions/" not in n and "/migrations/" not in n] == []
