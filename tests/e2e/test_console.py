"""The console as an operator uses it: sign in, lists, forms, languages, keyboard."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.conftest import sign_out
from tests.e2e.site import Site

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.xdist_group("e2e")  # one running system for all
Open = Callable[..., Any]

PAGES = (
    *("/home", "/scada", "/scada/values", "/scada/map", "/scada/stations", "/scada/journal"),
    *("/scada/statistics", "/scada/alarms", "/identity/users", "/gateways", "/jobs", "/keys"),
    *("/webhooks", "/settings"),
)


def test_sign_in_refuses_then_leads_where_one_wanted_to_go(visit: Open, site: Site) -> None:
    page = visit("/scada/devices")
    expect(page.get_by_role("heading", level=1)).to_have_text("Devices")
    sign_out(page)
    page.get_by_test_id("login-username").fill(site.username)
    page.get_by_test_id("login-password").fill("not the password")
    page.get_by_test_id("login-submit").click()
    expect(page.get_by_test_id("login-error")).to_be_visible()
    page.goto("/identity/users")
    expect(page.get_by_test_id("login-username")).to_be_visible()


def test_a_session_survives_a_reload_without_a_token_in_storage(visit: Open) -> None:
    page = visit("/scada/devices")
    page.reload()
    expect(page.get_by_test_id("scada-devices-table")).to_be_visible()
    stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert "eyJ" not in stored


def test_a_record_is_created_changed_and_deleted_by_the_generic_form(visit: Open) -> None:
    page = visit("/scada/stations")
    page.get_by_test_id("scada-stations-create").click()
    form = "scada-stations-form"
    page.get_by_test_id(f"{form}-submit").click()
    expect(page.get_by_test_id(f"{form}-code-error")).to_be_visible()
    page.get_by_test_id(f"{form}-code").fill("not a code!")
    page.get_by_test_id(f"{form}-name").fill("East")
    page.get_by_test_id(f"{form}-station_type").select_option("solar")
    page.get_by_test_id(f"{form}-submit").click()
    expect(page.get_by_test_id(f"{form}-code-error")).to_contain_text("regex")
    expect(page.get_by_test_id(f"{form}-code")).to_be_focused()
    page.get_by_test_id(f"{form}-code").fill("SS1")
    page.get_by_test_id(f"{form}-submit").click()
    expect(page.get_by_test_id(f"{form}-code-error")).to_contain_text("already in use")
    page.get_by_test_id(f"{form}-code").fill("EAST")
    page.get_by_test_id(f"{form}-submit").click()
    expect(page.get_by_test_id("scada-stations-value-station_type")).to_have_text("Solar")
    expect(page.get_by_test_id("scada-stations-value-is_active")).to_have_text("Yes")
    page.get_by_test_id("scada-stations-edit").click()
    page.get_by_test_id(f"{form}-region").fill("East coast")
    page.get_by_test_id(f"{form}-submit").click()
    expect(page.get_by_test_id("scada-stations-value-region")).to_have_text("East coast")
    expect(page.get_by_test_id("trail")).to_contain_text("East coast")
    page.get_by_test_id("scada-stations-delete").click()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("scada-stations-delete")).to_be_focused()
    page.get_by_test_id("scada-stations-delete").click()
    page.get_by_test_id("scada-stations-delete-confirm").click()
    expect(page.get_by_test_id("scada-stations-table")).to_be_visible()
    expect(page.get_by_text("EAST", exact=True)).to_have_count(0)


def test_whoever_saves_second_is_told_and_overwrites_nothing(visit: Open, site: Site) -> None:
    body = {"code": "TWICE", "name": "Twice", "station_type": "mixed"}
    row = site.call("POST", "/scada/stations", body)
    page = visit(f"/scada/stations/{row['id']}/edit")
    page.get_by_test_id("scada-stations-form-name").fill("Mine")
    site.call("PATCH", f"/scada/stations/{row['id']}", {"name": "Theirs"})
    page.get_by_test_id("scada-stations-form-submit").click()
    expect(page.get_by_test_id("scada-stations-form-problem")).to_contain_text("Someone else")
    assert site.call("GET", f"/scada/stations/{row['id']}")["name"] == "Theirs"
    site.call("DELETE", f"/scada/stations/{row['id']}")


def test_script_in_a_name_is_shown_and_not_run(visit: Open, site: Site) -> None:
    attack = 'window.constructor.constructor("window.pwned=1")()'
    name = f'North" onmouseover="window.pwned=1" autofocus onfocus="{attack}" {{{{ {attack} }}}}'
    body = {
        "code": "SCRIPT",
        "name": name,
        "station_type": "mixed",
        "latitude": 15,
        "longitude": 44,
    }
    row = site.call("POST", "/scada/stations", body)
    page = visit("/scada/stations?q=SCRIPT")
    expect(page.get_by_text(name, exact=True)).to_be_visible()
    for path in (f"/scada/stations/{row['id']}", "/scada", "/scada/map"):
        page.goto(path)
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    assert page.evaluate("window.pwned") is None
    site.call("DELETE", f"/scada/stations/{row['id']}")


def test_a_list_is_searched_filtered_sorted_and_kept_as_a_view(visit: Open) -> None:
    page = visit("/scada/devices")
    rows = page.get_by_test_id("scada-devices-table").locator("tbody tr")
    expect(rows).to_have_count(50)
    page.get_by_test_id("scada-devices-search").fill("SS2-F1")
    expect(rows).to_have_count(8)
    page.get_by_test_id("filter-add").click()
    page.get_by_test_id("filter-field").select_option("device_type")
    page.get_by_test_id("filter-value").select_option("meter")
    page.get_by_test_id("filter-apply").click()
    expect(rows).to_have_count(7)
    page.get_by_role("button", name="Code").click()
    expect(rows.first).to_contain_text("SS2-F1-M6")
    page.get_by_test_id("list-views").click()
    page.get_by_test_id("list-view-name").fill("Meters of the harbour")
    page.get_by_test_id("list-view-save").click()
    page.get_by_test_id("list-columns").click()
    page.get_by_label("Serial number").check()
    expect(page.get_by_role("columnheader", name="Serial number")).to_be_visible()
    page.goto("/scada/devices")
    expect(rows).to_have_count(50)
    page.get_by_test_id("list-views").click()
    page.get_by_role("button", name="Meters of the harbour", exact=True).click()
    expect(rows).to_have_count(7)


def test_references_are_picked_by_name_with_the_keyboard(visit: Open, site: Site) -> None:
    device = site.call("GET", "/scada/devices?code=SS2-F3-M6")["items"][0]
    page = visit(f"/scada/devices/{device['id']}/edit")
    box = page.get_by_role("combobox", name="Station", exact=True)
    expect(box).to_have_value("Harbour substation")
    box.fill("Al-N")
    expect(page.get_by_role("option", name="Al-Noor substation")).to_be_visible()
    box.press("ArrowDown")
    box.press("Enter")
    page.get_by_test_id("scada-devices-form-submit").click()
    expect(page.get_by_test_id("scada-devices-value-station_id")).to_have_text("Al-Noor substation")
    site.call("PATCH", f"/scada/devices/{device['id']}", {"station_id": device["station_id"]})


def test_arabic_runs_from_right_to_left(visit: Open) -> None:
    page = visit("/scada/devices", language="ar")
    assert page.evaluate("document.documentElement.dir") == "rtl"
    expect(page.get_by_role("heading", level=1)).to_have_text("الأجهزة")
    expect(page.get_by_role("columnheader", name="الرمز")).to_be_visible()
    menu = page.locator("#shell-menu").bounding_box()
    content = page.locator("#content").bounding_box()
    assert menu["x"] > content["x"]
    page.get_by_test_id("shell-language").click()
    assert page.evaluate("document.documentElement.dir") == "ltr"


def test_no_page_scrolls_sideways_on_a_phone(visit: Open, site: Site) -> None:
    page = visit("/home", width=375)
    for path in (*PAGES, f"/scada/stations/{site.station('SS1')}/live", "/scada/stations/new"):
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, path
        heights = page.eval_on_selector_all(
            ".btn:not([hidden])", "all => all.map(b => b.getBoundingClientRect().height)"
        )
        assert min((h for h in heights if h), default=44) >= 44, path


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("ar", "dark")])
def test_axe_finds_no_fault(
    visit: Open, site: Site, faults: Callable[[Any], list[str]], language: str, theme: str
) -> None:
    station = site.station("SS1")
    page = visit("/home", language=language, theme=theme)
    device = site.call("GET", "/scada/devices?code=SS1-F1-HEAD")["items"][0]["id"]
    point = site.point("SS1-F1-HEAD", "power.active.total")
    extra = (
        f"/scada/stations/{station}/live",
        f"/scada/devices/{device}",
        f"/scada/devices/{device}/edit",
        f"/scada/trends?points={point}",
    )
    found = {}
    for path in extra if language == "en" else (*PAGES, *extra):
        page.goto(path)
        page.get_by_role("heading", level=1).wait_for()
        page.wait_for_timeout(300)
        if wrong := faults(page):
            found[path] = wrong
    sign_out(page)
    page.get_by_test_id("login-username").wait_for()
    page.wait_for_timeout(400)
    if wrong := faults(page):
        found["/"] = wrong
    assert found == {}


def test_who_may_not_see_a_page_is_told_and_has_no_entry_for_it(visit: Open, site: Site) -> None:
    role = site.call(
        "POST",
        "/identity/roles",
        {"code": "desk", "name_ar": "مكتب", "permissions": ["identity.users.read"]},
    )
    user = site.call(
        "POST", "/identity/users", {"email": "desk@busbar.example", "username": "desk"}
    )
    site.call("PUT", f"/identity/users/{user['id']}/password", {"password": "Desk-2026!"})
    site.call("POST", f"/identity/users/{user['id']}/roles", {"roles": [role["id"]]})
    page = visit("/home")
    sign_out(page)
    page.get_by_test_id("login-username").fill("desk")
    page.get_by_test_id("login-password").fill("Desk-2026!")
    page.get_by_test_id("login-submit").click()
    expect(page.locator("#shell-menu").get_by_role("link")).to_have_text(["Overview", "Users"])
    page.goto("/scada")
    expect(page.get_by_role("heading", level=1)).to_have_text("You may not see this page.")
    page.goto("/scada/stations")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page.")


def test_the_page_allows_no_foreign_script(site: Site, browser: Any) -> None:
    page = browser.new_page()
    reply = page.goto(site.address)
    policy = reply.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert not re.search(r"https?://", policy)
    page.close()
