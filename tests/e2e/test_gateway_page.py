"""A technician with a laptop at the substation: a gateway and its field, and no centre."""

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from tests.e2e.site import watchful

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.xdist_group("e2e")
Open = Callable[..., Any]

PASSWORD = "open sesame"
VIEWS = ("overview", "values", "channels", "alarms", "wire", "log", "export")
BREAKER = "SS1-F1-CB"
PATIENCE = 30.0
SLOW = 15_000  # ms


@contextlib.contextmanager
def process(log: Path, *words: str | Path) -> Iterator[None]:
    busbar = Path(sys.executable).with_name("busbar")
    with log.open("w") as out:
        started = subprocess.Popen([busbar, *words], stdout=out, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        started.terminate()
        started.wait(15)


def said(log: Path, pattern: str) -> str:
    """What a process wrote, once it did."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if found := re.search(pattern, log.read_text()):
            return found.group(found.re.groups)
        time.sleep(0.05)
    raise RuntimeError(f"{pattern} is not in\n{log.read_text()}")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the gateway's page is."""
    folder = tmp_path_factory.mktemp("substation")
    hashed = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    own, field = folder / "own.toml", folder / "field.toml"
    own.write_text(
        f'[gateway]\nname = "substation-7"\ndata_dir = "{folder}/data"\n'
        f"[api]\nport = 0\ntechnician = '{hashed}'\n[log]\nformat = 'json'\n"
    )
    with process(folder / "field.log", "simulate", "modbus", "--write-config", field):
        said(folder / "field.log", "(serving)")
        log = folder / "gateway.log"
        with process(log, "gateway", "-c", watchful(folder), "-c", own, "-c", field):
            yield said(log, r'"address": "(http://[^"]+)"')


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Open]:
    contexts, errors = [], []

    def open_(
        view: str = "", *, language: str = "en", theme: str = "light", width: int = 1280
    ) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 800}, base_url=address, accept_downloads=True
        )
        contexts.append(context)
        context.set_default_timeout(SLOW)
        context.add_init_script(
            f"localStorage.busbar_language ??= '{language}';localStorage.busbar_theme ??= '{theme}'"
        )
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"/#{view}" if view else "/")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        return page

    yield open_
    for context in contexts:
        context.close()
    assert errors == []


def sign_in(page: Any) -> None:
    page.get_by_test_id("account").click()
    page.get_by_test_id("signin-by").fill("Ann")
    page.get_by_test_id("signin-password").fill(PASSWORD)
    page.get_by_test_id("signin-go").click()
    expect(page.get_by_test_id("account")).to_contain_text("Ann")


def find(page: Any, point: str) -> Any:
    page.get_by_test_id("menu-values").click()
    page.get_by_test_id("values-search").fill(point)
    return page.get_by_test_id("values").locator("tbody tr").filter(has_text=point)


def test_values_are_seen_to_change_and_a_silent_gateway_makes_them_old(visit: Open) -> None:
    page = visit()
    expect(page.get_by_test_id("tile-channels")).to_have_text("8 / 8")
    expect(page.get_by_test_id("troubles")).to_contain_text("every device answers")
    row = find(page, "SS1-F1-HEAD.power.active.total")
    expect(row).to_have_attribute("data-quality", "good")
    before = row.locator(".value").text_content()
    expect(row.locator(".value")).not_to_have_text(before)
    page.route("**/api/**", lambda route: route.abort())
    expect(page.get_by_test_id("lost")).to_contain_text("has not answered since")
    expect(page.get_by_test_id("contact")).to_have_text("No contact")
    expect(row.locator(".value")).to_have_css("text-decoration-line", "line-through")
    page.unroute("**/api/**")
    expect(page.get_by_test_id("lost")).to_be_hidden()


def test_a_wrong_password_is_refused_and_said_to_be(visit: Open) -> None:
    page = visit()
    page.get_by_test_id("account").click()
    page.get_by_test_id("signin-by").fill("Ann")
    page.get_by_test_id("signin-password").fill("guess")
    page.get_by_test_id("signin-go").click()
    expect(page.get_by_test_id("dialog-problem")).to_have_text("wrong password")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_test_id("account")).to_have_text("Sign in")


def test_a_breaker_is_operated_in_two_steps_on_site_and_its_alarm_is_acknowledged(
    visit: Open,
) -> None:
    page = visit()
    sign_in(page)
    position = find(page, f"{BREAKER}.switch.position")
    expect(position).to_contain_text("closed")
    find(page, f"{BREAKER}.breaker").get_by_role("button").click()
    panel = page.get_by_test_id("point")
    panel.get_by_test_id("point-read").click()
    expect(panel.get_by_test_id("point-answer")).to_contain_text("2 frames")
    panel.get_by_test_id("order-reason").fill("work on the line")
    panel.get_by_test_id("order-select").click()
    expect(panel.get_by_test_id("order-answer")).to_contain_text("take over first")
    page.keyboard.press("Escape")

    page.get_by_test_id("menu-overview").click()
    page.get_by_test_id("take-over").click()
    page.get_by_test_id("turn-go").click()
    expect(page.get_by_test_id("mode")).to_have_text("Local control")
    operate(page, "0")
    expect(find(page, f"{BREAKER}.switch.position")).to_contain_text("open")

    page.get_by_test_id("menu-alarms").click()
    alarm = page.get_by_test_id(f"alarm-{BREAKER}.switch.position")
    expect(alarm).to_have_attribute("data-status", "active")
    alarm.get_by_test_id("alarm-acknowledge").click()
    page.get_by_test_id("alarm-note").fill("I opened it")
    page.get_by_test_id("alarm-words-go").click()
    expect(alarm).to_have_attribute("data-status", "acknowledged")
    expect(alarm).to_contain_text("technician Ann")
    operate(page, "1")
    page.get_by_test_id("menu-alarms").click()
    expect(page.get_by_test_id("no-alarms")).to_be_visible()
    page.get_by_test_id("menu-overview").click()
    page.get_by_test_id("take-over").click()
    page.get_by_test_id("turn-go").click()
    expect(page.get_by_test_id("mode")).to_be_hidden()


def operate(page: Any, value: str) -> None:
    find(page, f"{BREAKER}.breaker").get_by_role("button").click()
    panel = page.get_by_test_id("point")
    panel.get_by_test_id("order-value").select_option(value)
    panel.get_by_test_id("order-reason").fill("work on the line")
    panel.get_by_test_id("order-select").click()
    expect(panel.get_by_test_id("order-answer")).to_contain_text("Nothing has moved so far")
    panel.get_by_test_id("order-operate").click()
    expect(panel.get_by_test_id("order-answer")).to_contain_text("Done")
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)


def test_the_wire_is_read_the_log_is_followed_and_history_is_taken_away(visit: Open) -> None:
    page = visit("channels")
    card = page.get_by_test_id("channel-SS1-F1")
    expect(card).to_have_attribute("data-state", "online")
    sign_in(page)
    card.get_by_role("link", name="Wire").click()
    expect(page.get_by_test_id("wire-channel")).to_have_value("SS1-F1")
    page.get_by_test_id("wire-start").click()
    frames = page.get_by_test_id("frames").locator("li")
    expect(frames.nth(3)).to_contain_text("SS1-F1-")
    page.get_by_test_id("menu-log").click()
    expect(page.get_by_test_id("log")).to_contain_text("ready")
    page.get_by_test_id("menu-export").click()
    page.get_by_test_id("export-match").fill("SS1-F1-HEAD.frequency")
    with page.expect_download() as taken:
        page.get_by_test_id("export-go").click()
    lines = Path(taken.value.path()).read_text("utf-8-sig").splitlines()
    assert lines[0] == "time,point,value,unit,quality,flags,clock,text"
    assert "SS1-F1-HEAD.frequency" in lines[1]


def test_it_is_arabic_from_right_to_left_and_fits_a_phone(visit: Open) -> None:
    page = visit("values", language="ar", theme="dark", width=375)
    assert page.evaluate("document.documentElement.dir") == "rtl"
    for view in VIEWS:
        page.goto(f"/#{view}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, view
    page.get_by_test_id("language").click()
    expect(page.locator("html")).to_have_attribute("dir", "ltr")


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("ar", "dark")])
def test_axe_finds_no_fault_in_the_gateways_page(
    visit: Open, faults: Callable[[Any], list[str]], language: str, theme: str
) -> None:
    page = visit(language=language, theme=theme)
    found = {}
    for view in VIEWS:
        page.goto(f"/#{view}")
        page.wait_for_timeout(500)
        if wrong := faults(page):
            found[view] = wrong
    find(page, f"{BREAKER}.breaker").get_by_role("button").click()
    expect(page.get_by_test_id("point")).to_be_visible()
    page.wait_for_timeout(300)
    if wrong := faults(page):
        found["point"] = wrong
    assert found == {}
