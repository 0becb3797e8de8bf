"""What a desk needs: search, workspaces, lists in and out, one's account, keys, jobs."""

import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyotp
import pytest

from tests.e2e.conftest import sign_out
from tests.e2e.site import Site

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.xdist_group("e2e")  # one running system for all
Open = Callable[..., Any]

PASSWORD = "Desk-2026!"


def _enter(page: Any, name: str, password: str = PASSWORD) -> None:
    page.get_by_test_id("login-username").fill(name)
    page.get_by_test_id("login-password").fill(password)
    page.get_by_test_id("login-submit").click()


def _user(site: Site, name: str, permissions: list[str]) -> tuple[str, str]:
    """A user with a role of these permissions: the ids of both."""
    body = {"code": name, "name_ar": "دور", "permissions": permissions}
    role = site.call("POST", "/identity/roles", body)["id"]
    who = {"email": f"{name}@busbar.example", "username": name}
    user = site.call("POST", "/identity/users", who)["id"]
    site.call("PUT", f"/identity/users/{user}/password", {"password": PASSWORD})
    site.call("POST", f"/identity/users/{user}/roles", {"roles": [role]})
    return user, role


def test_the_overview_shows_every_station_and_says_when_it_is_old(visit: Open) -> None:
    page = visit("/home")
    for code in ("SS1", "SS2"):
        expect(page.get_by_test_id(f"home-station-{code}")).to_contain_text("kW", timeout=60_000)
    figures = page.get_by_test_id("home-figures")
    expect(figures).to_contain_text("50/ 50")
    expect(page.get_by_test_id("home-gateways")).to_contain_text("points")
    page.clock.install()
    page.route("**/api/v1/scada/stations?*", lambda route: route.abort())
    page.clock.run_for(45_000)
    expect(page.get_by_test_id("home-old")).to_contain_text("old")


def test_a_record_is_found_and_opened_with_the_keyboard(visit: Open) -> None:
    page = visit("/home")
    page.keyboard.press("Control+k")
    page.get_by_test_id("search-input").fill("SS2-F3-HEAD")
    expect(page.get_by_test_id("search").get_by_role("option").first).to_contain_text("SS2-F3-HEAD")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("SS2-F3-HEAD")
    page.keyboard.press("/")
    page.get_by_test_id("search-input").fill("alarm stat")
    page.keyboard.press("Enter")
    page.wait_for_url("**/scada/statistics")


def test_tabs_of_a_workspace_are_there_at_another_desk(visit: Open) -> None:
    page = visit("/scada/devices?status=online")
    page.get_by_test_id("space").click()
    page.get_by_test_id("space-name").fill("Night shift")
    page.get_by_test_id("space-create").click()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("space")).to_contain_text("Night shift")
    page.get_by_test_id("space-keep").click()
    expect(page.get_by_test_id("tab-0")).to_contain_text("Devices")
    other = visit("/home")
    other.get_by_test_id("space").click()
    other.get_by_role("button", name="Night shift").first.click()
    other.keyboard.press("Escape")
    tab = other.get_by_test_id("tab-0").get_by_role("link")
    tab.click()
    other.wait_for_url("**/scada/devices?status=online")
    tab.focus()
    other.keyboard.press("Delete")
    expect(other.get_by_test_id("tab-0")).to_have_count(0)


def test_an_import_names_its_faults_and_can_be_taken_back(
    visit: Open, site: Site, tmp_path: Path
) -> None:
    head = "code,name,station_type\n"
    wrong, right = tmp_path / "wrong.csv", tmp_path / "right.csv"
    wrong.write_text(f"{head}IMP1,First,substation\nbad code!,Second,substation\nIMP3,Third,moon\n")
    right.write_text(f"{head}IMP1,First,substation\nIMP2,Second,solar\n")
    page = visit("/scada/stations")
    page.get_by_test_id("list-import").click()
    page.get_by_test_id("import-file").set_input_files(wrong)
    expect(page.get_by_test_id("import-faults")).to_be_visible()
    rows = page.get_by_role("dialog").locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("3")
    expect(page.get_by_test_id("import-run")).to_have_count(0)
    page.get_by_test_id("import-file").set_input_files(right)
    expect(page.get_by_test_id("import-ready")).to_be_visible()
    page.get_by_test_id("import-run").click()
    expect(page.get_by_test_id("import-done")).to_contain_text("2")
    assert site.call("GET", "/scada/stations?code__prefix=IMP")["total"] == 2
    page.get_by_test_id("import-undo").click()
    expect(page.get_by_test_id("import-undone")).to_contain_text("2")
    assert site.call("GET", "/scada/stations?code__prefix=IMP")["total"] == 0


def test_many_rows_are_changed_and_deleted_together(visit: Open, site: Site) -> None:
    for n in (1, 2, 3):
        body = {"code": f"BULK{n}", "name": f"Bulk {n}", "station_type": "mixed"}
        site.call("POST", "/scada/stations", body)
    page = visit("/scada/stations?q=BULK")
    rows = page.get_by_test_id("scada-stations-table").locator("tbody tr")
    expect(rows).to_have_count(3)
    page.get_by_test_id("select-all").check()
    page.get_by_test_id("bulk-update").click()
    page.get_by_test_id("bulk-form-region").fill("West")
    page.get_by_test_id("bulk-form-submit").click()
    expect(page.get_by_test_id("bulk")).to_have_count(0)
    changed = site.call("GET", "/scada/stations?code__prefix=BULK")["items"]
    assert {(row["region"], row["is_active"]) for row in changed} == {("West", True)}
    page.get_by_test_id("select-all").check()
    page.get_by_test_id("bulk-delete").click()
    page.get_by_test_id("bulk-confirm").click()
    expect(rows).to_have_count(0)


def test_a_list_is_taken_home_as_a_file(visit: Open) -> None:
    page = visit("/scada/devices?q=SS1-F1")
    expect(page.get_by_test_id("scada-devices-table").locator("tbody tr")).to_have_count(8)
    with page.expect_download() as started:
        page.get_by_test_id("list-export").click()
        page.get_by_test_id("list-export-csv").click()
    text = Path(started.value.path()).read_text()
    assert started.value.suggested_filename == "scada-devices.csv"
    assert len(text.splitlines()) == 9


def test_a_second_factor_is_set_up_and_asked_for(visit: Open, site: Site) -> None:
    _user(site, "careful", ["identity.users.read"])
    page = visit("/home")
    sign_out(page)
    _enter(page, "careful")
    page.get_by_test_id("shell-user").wait_for()
    page.goto("/settings")
    page.get_by_test_id("second-begin").click()
    clock = pyotp.TOTP(page.get_by_test_id("second-secret").inner_text().replace(" ", ""))
    recovery = page.get_by_test_id("second").locator("li").first.inner_text()
    page.get_by_test_id("second-code").fill(clock.now())
    page.get_by_test_id("second-confirm").click()
    expect(page.get_by_text("The second factor is on.")).to_be_visible()
    sign_out(page)
    _enter(page, "careful")
    page.get_by_test_id("login-code").fill("000000")
    page.get_by_test_id("login-submit").click()
    expect(page.get_by_test_id("login-error")).to_be_visible()
    page.get_by_test_id("login-code").fill(recovery)
    page.get_by_test_id("login-submit").click()
    expect(page.get_by_test_id("shell-user")).to_be_visible()
    sessions = page.get_by_test_id("sessions")
    page.goto("/settings")
    expect(sessions).to_contain_text("this one")


def test_a_forgotten_password_tells_nobody_who_has_an_account(visit: Open) -> None:
    page = visit("/home")
    sign_out(page)
    page.get_by_test_id("login-forgot").click()
    page.get_by_test_id("login-username").fill("nobody-of-this-name")
    page.get_by_test_id("login-submit").click()
    expect(page.get_by_test_id("login-sent")).to_be_visible()
    page.goto("/reset/not-a-token")
    page.get_by_test_id("reset-password").fill("Test1234!")
    expect(page.get_by_test_id("password-strength")).to_have_text("Strong")
    page.get_by_test_id("reset-again").fill("Test1234!")
    page.get_by_test_id("reset-submit").click()
    expect(page.get_by_test_id("login-error")).to_be_visible()


def test_a_key_is_shown_once(visit: Open, site: Site) -> None:
    page = visit("/keys")
    page.get_by_test_id("keys-create").click()
    page.get_by_test_id("keys-form-name").fill("billing export")
    page.get_by_test_id("keys-form-scopes").fill("scada.stations.read")
    page.get_by_test_id("keys-form-submit").click()
    secret = page.get_by_test_id("result-secret").inner_text()
    page.get_by_test_id("result-close").click()
    expect(page.get_by_test_id("keys-table")).to_contain_text(secret[:10])
    page.reload()
    expect(page.get_by_test_id("keys-table")).to_contain_text("billing export")
    assert secret not in page.content()
    stations = f"{site.address}/api/v1/scada/stations?limit=1"
    request = urllib.request.Request(stations, headers={"X-API-Key": secret})
    assert urllib.request.urlopen(request, timeout=10).status == 200


def test_a_receiver_of_events_shows_its_secret_and_its_deliveries(visit: Open, site: Site) -> None:
    body = {"name": "ledger", "url": "https://hooks.example.invalid/in", "event_types": ["*"]}
    site.call("POST", "/webhooks/endpoints", body)
    page = visit("/webhooks")
    receivers = page.get_by_test_id("webhooks-receivers")
    expect(receivers).to_contain_text("hooks.example.invalid")
    receivers.get_by_test_id("action-rotate-secret").click()
    page.get_by_test_id("action-rotate-secret-form-submit").click()
    expect(page.get_by_test_id("result-secret")).not_to_be_empty()
    page.get_by_test_id("result-close").click()


def test_work_of_the_system_is_followed_and_tried_again(visit: Open, site: Site) -> None:
    schedule = site.call("GET", "/jobs/schedules?limit=1")["items"][0]["id"]
    job = site.call("POST", f"/jobs/schedules/{schedule}/run")
    page = visit("/jobs")
    row = page.get_by_test_id("jobs-table").locator("tbody tr").first
    expect(row).to_have_attribute("data-status", "success", timeout=20_000)
    assert job


def test_a_permission_withdrawn_in_the_middle_closes_the_page(visit: Open, site: Site) -> None:
    _, role = _user(site, "passing", ["identity.users.*", "identity.roles.read"])
    page = visit("/home")
    sign_out(page)
    _enter(page, "passing")
    menu = page.locator("#shell-menu")
    menu.get_by_role("link", name="Roles").click()
    expect(page.get_by_test_id("identity-roles-table")).to_be_visible()
    site.call("PATCH", f"/identity/roles/{role}", {"permissions": ["identity.users.read"]})
    page.get_by_test_id("identity-roles-search").fill("x")
    expect(page.get_by_text("What you may do was changed")).to_be_visible()
    expect(page.get_by_test_id("identity-roles-table")).to_have_count(0)
    expect(menu.get_by_role("link")).to_have_text(["Overview", "Users"])
