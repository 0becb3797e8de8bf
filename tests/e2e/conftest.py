"""A browser in front of a real system; without Chromium or a built console: skipped."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.site import Site, running

ROOT = Path(__file__).parents[2]
AXE = ROOT / "console" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
Open = Callable[..., Any]


def _absent(reason: str) -> None:
    if os.environ.get("BUSBAR_REQUIRE_PEERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if not (ROOT / "api" / "static" / "index.html").is_file():
        _absent("the console is not built: make console")
    with running(tmp_path_factory.mktemp("site")) as started:
        yield started


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    path = (
        os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    )
    if path is None:
        _absent("no Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


def sign_out(page: Any) -> None:
    page.get_by_test_id("shell-user").click()
    page.get_by_test_id("shell-sign-out").click()


@pytest.fixture
def visit(browser: Any, site: Site) -> Iterator[Open]:
    """`page = visit("/scada", language="ar")`: a signed-in page; script errors fail the test."""
    contexts, errors = [], []

    def open_(path: str, *, language: str = "en", theme: str = "light", width: int = 1280) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            service_workers="block",
            base_url=site.address,
            reduced_motion="reduce",  # axe must not measure colours of something half faded in
        )
        contexts.append(context)
        context.set_default_timeout(15_000)
        context.add_init_script(
            f"localStorage.setItem('busbar_language', '{language}');"
            f"localStorage.setItem('busbar_theme', '{theme}')"
        )
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(path)
        page.get_by_test_id("login-username").fill(site.username)
        page.get_by_test_id("login-password").fill(site.password)
        page.get_by_test_id("login-submit").click()
        page.get_by_test_id("shell-user").wait_for()
        return page

    yield open_
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def faults() -> Callable[[Any], list[str]]:
    """What axe finds wrong with a page by WCAG 2.2 A and AA."""
    if not AXE.is_file():
        _absent("no axe-core: make console")
    script = AXE.read_text()

    def check(page: Any) -> list[str]:
        page.evaluate(script)
        found = page.evaluate(
            "(tags) => axe.run(document, {runOnly: {type: 'tag', values: tags}})", RULES
        )
        return [
            f"{v['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
            for v in found["violations"]
            for node in v["nodes"]
        ]

    return check
