"""A file of at most 400 lines, a function of at most 40, or a reason in pyproject.toml."""

import ast

from tests.architecture.source import PRODUCT, ROOT, modules, settings, tracked

FILE, FUNCTION = 400, 40
EXCEPTIONS: dict[str, str] = settings().get("sizes", {})  # type: ignore[assignment]


def test_files_are_short() -> None:
    long = {
        str(p.relative_to(ROOT)): n
        for p in tracked(".py", ".ts", ".vue")
        if (n := len(p.read_text().splitlines())) > FILE
    }
    assert {k: n for k, n in long.items() if k not in EXCEPTIONS} == {}


def test_functions_are_short() -> None:
    long = {
        f"{name}:{node.name}": n
        for name, tree in modules(*PRODUCT)
        if "/migrations/" not in name and "/versions/" not in name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (n := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION
    }
    assert {k: n for k, n in long.items() if k not in EXCEPTIONS} == {}


def test_every_exception_is_still_needed_and_reasoned() -> None:
    for name, reason in EXCEPTIONS.items():
        path, _, function = name.partition(":")
        text = (ROOT / path).read_text()
        assert len(reason) > 20, f"{name}: give a reason"
        if function:
            assert any(
                isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
                and n.name == function
                and (n.end_lineno or 0) - n.lineno + 1 > FUNCTION
                for n in ast.walk(ast.parse(text))
            ), f"{name} is short again: remove the exception"
        else:
            assert len(text.splitlines()) > FILE, f"{name} is short again: remove the exception"
