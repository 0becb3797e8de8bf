"""`make screenshots`: pictures of the main pages for the README, of a system that really runs."""

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.e2e.site import Site, running

FOLDER = Path(__file__).parents[2] / "console" / "screenshots"
SIZE = {"width": 1280, "height": 800}
HISTORY = 75.0  # s of readings before the trend is drawn
SETTLE = 2_500  # ms


def _page(browser: Any, site: Site, language: str, theme: str) -> Any:
    context = browser.new_context(viewport=SIZE, base_url=site.address, service_workers="block")
    context.add_init_script(
        f"localStorage.setItem('busbar_language', '{language}');"
        f"localStorage.setItem('busbar_theme', '{theme}')"
    )
    page = context.new_page()
    page.goto("/")
    page.get_by_test_id("login-username").fill(site.username)
    page.get_by_test_id("login-password").fill(site.password)
    page.get_by_test_id("login-submit").click()
    page.get_by_test_id("shell-user").wait_for()
    return page


def _take(page: Any, path: str, name: str, click: str = "") -> None:
    page.goto(path)
    page.wait_for_timeout(SETTLE)
    if click:
        page.get_by_test_id(click).click()
        page.wait_for_timeout(SETTLE)
    page.screenshot(path=FOLDER / f"{name}.png")


def take(site: Site, executable: str) -> None:
    """The main pages: both themes, both languages."""
    FOLDER.mkdir(exist_ok=True)
    station = f"/scada/stations/{site.station('SS1')}/live"
    heads = (f"SS1-F{n}-HEAD" for n in (1, 2, 3))
    points = ",".join(site.point(head, "power.active.total") for head in heads)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        light = _page(browser, site, "en", "light")
        dark = _page(browser, site, "en", "dark")
        arabic = _page(browser, site, "ar", "light")
        _take(light, station, "station", "part-SS1-F1-HEAD")
        _take(dark, station, "station-dark", "part-SS1-F2-HEAD")
        _take(arabic, station, "station-arabic", "part-SS1-F3-HEAD")
        _take(light, "/scada/devices", "devices")
        time.sleep(HISTORY)
        _take(light, "/home", "overview")
        _take(arabic, "/home", "overview-arabic")
        _take(dark, f"/scada/trends?points={points}", "trends-dark")
        browser.close()


if __name__ == "__main__":
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        sys.exit("no Chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as started:
        take(started, found)
