"""The console in Chromium: frames per second while 1,000 points that are all drawn change.

A whole system runs with its simulated field; the page of live values is made so high that it draws
1,000 rows at once, which a person never sees: the page draws only what is in sight.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from benchmarks.figures import console, machine
from tests.e2e.site import Site, running

POINTS = 1_000
SECONDS = 15
ROW = 36  # px, of a row of the page of live values

_COUNT = """seconds => new Promise(done => {
  const gaps = []; let before = performance.now(); const end = before + seconds * 1000
  const frame = now => { gaps.push(now - before); before = now
    if (now < end) requestAnimationFrame(frame)
    else { gaps.sort((a, b) => a - b)
      done([gaps.length / seconds, gaps[Math.floor(gaps.length * 0.99)]]) } }
  requestAnimationFrame(frame)
})"""
_CHANGED = """seconds => new Promise(done => {
  const all = () => [...document.querySelectorAll('[data-testid^=live-]')].map(e => e.textContent)
  const before = all()
  setTimeout(() => done(all().filter((text, n) => text !== before[n]).length), seconds * 1000)
})"""


def measure(site: Site, executable: str) -> tuple[int, int, float, float]:
    """Rows drawn, rows that changed in three seconds, frames a second, 99th gap in ms."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page: Any = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(site.address)
        page.get_by_test_id("login-username").fill(site.username)
        page.get_by_test_id("login-password").fill(site.password)
        page.get_by_test_id("login-submit").click()
        page.get_by_test_id("shell-user").wait_for()
        page.goto(f"{site.address}/scada/values")
        height = POINTS * ROW
        values = page.get_by_test_id("values")
        values.wait_for()
        values.evaluate(
            "(e, h) => { e.style.blockSize = `${h}px`; e.dispatchEvent(new Event('scroll')) }",
            height,
        )
        page.wait_for_function(
            "n => document.querySelectorAll('[data-quality=good]').length > n * 0.9", arg=POINTS
        )
        drawn = page.locator("[data-testid^=live-]").count()
        changed = page.evaluate(_CHANGED, 3)
        frames, gap = page.evaluate(_COUNT, SECONDS)
        browser.close()
    return drawn, changed, frames, gap


def main() -> None:
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        console.print("no Chromium: apt-get install chromium")
        return
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as site:
        drawn, changed, frames, gap = measure(site, executable)
    console.print(f"\n[bold]console[/bold]\n{machine()}")
    console.print(f"{drawn} points drawn, {changed} changed within 3 s")
    console.print(f"{frames:.1f} frames/s (goal 30); 99 % of frames within {gap:.0f} ms")
