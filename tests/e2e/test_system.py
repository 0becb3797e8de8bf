"""What runs the system: connections, gateways, notifications, administration."""

import tomllib
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.conftest import sign_out
from tests.e2e.site import Site

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.xdist_group("e2e")  # one running system for all
Open = Callable[..., Any]
Faults = Callable[[Any], list[str]]

SLOW = 20_000  # ms: over gateway, device and back


def _connection(site: Site, name: str, **more: Any) -> None:
    """One to the first simulated device, as the gateway's own file has it."""
    field = tomllib.loads((site.folder / "data" / "simulated-field.toml").read_text())
    channel = field["channels"][0]
    body = {"name": name, "protocol_type": "modbus", "host": channel["host"]}
    body |= {"port": channel["port"], "settings": {"devices": channel["devices"][:1]}}
    body["gateway_id"] = site.call("GET", "/sync/gateways")["items"][0]["id"]
    site.call("POST", "/scada/protocols", body | more)


def _test(page: Any, name: str) -> Any:
    page.get_by_test_id(f"protocol-test-{name}").click()
    page.get_by_test_id("trial-run").click()
    return page.get_by_test_id("trial-steps").locator("li")


def test_a_connection_is_tried_step_by_step(visit: Open, site: Site, faults: Faults) -> None:
    _connection(site, "feeder")
    _connection(site, "nowhere", port=1)
    page = visit("/protocols")
    steps = _test(page, "feeder")
    expect(page.get_by_test_id("trial-result")).to_have_text("The connection works.", timeout=SLOW)
    assert [s.get_attribute("data-state") for s in steps.all()].count("failed") == 0
    expect(steps.last).to_contain_text("raw value")
    assert faults(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("protocol-feeder")).to_contain_text("Connected")
    steps = _test(page, "nowhere")
    expect(page.get_by_test_id("trial-result")).to_contain_text("does not work", timeout=SLOW)
    expect(steps.last).to_have_attribute("data-state", "failed")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("protocol-nowhere")).to_contain_text("connect: ")


def test_a_connection_is_written_down_with_its_gateway(visit: Open, site: Site) -> None:
    page = visit("/protocols")
    page.get_by_test_id("protocols-create").click()
    form = "protocols-form"
    page.get_by_test_id(f"{form}-name").fill("station bus")
    page.get_by_test_id(f"{form}-protocol_type").select_option("modbus")
    page.get_by_test_id(f"{form}-host").fill("127.0.0.1")
    page.get_by_test_id(f"{form}-gateway_id").select_option(label="local")
    page.get_by_test_id(f"{form}-submit").click()
    expect(page.get_by_test_id("protocol-station bus")).to_contain_text("local")


def test_a_gateway_joins_gets_a_new_key_and_is_switched_off(visit: Open, site: Site) -> None:
    page = visit("/gateways")
    page.get_by_test_id("gateways-join").click()
    page.get_by_test_id("gateways-form-name").fill("east")
    page.get_by_test_id("gateways-form-submit").click()
    first = page.get_by_test_id("result-secret").inner_text()
    page.get_by_test_id("result-close").click()
    panel = page.get_by_test_id("gateway-east")
    expect(panel).to_contain_text("nothing received yet")
    assert first not in page.content()
    page.get_by_test_id("gateway-re-enrol-east").click()
    page.get_by_test_id("gateway-confirm").click()
    second = page.get_by_test_id("result-secret").inner_text()
    assert second != first
    page.get_by_test_id("result-close").click()
    page.get_by_test_id("gateway-disable-east").click()
    page.get_by_test_id("gateway-confirm").click()
    expect(panel).to_contain_text("switched off")
    page.get_by_test_id("gateway-enable-east").click()
    page.get_by_test_id("gateway-confirm").click()
    expect(panel).not_to_contain_text("switched off")


def test_a_notification_counts_as_it_comes_and_is_read(visit: Open, site: Site) -> None:
    page = visit("/notifications")
    expect(page.get_by_test_id("wish-table")).to_be_visible()
    site.call("PUT", "/notifications/read-all", {})
    page.reload()
    expect(page.get_by_test_id("notifications-unread")).to_have_text("0 unread")
    me = site.call("GET", "/auth/me")["id"]
    said = {"title": "Crew leaves", "message": "at 14:00", "to": [f"id:{me}"]}
    site.call("POST", "/notifications/send", said)
    row = page.get_by_test_id("notifications-list").locator("li").first
    expect(row).to_contain_text("Crew leaves", timeout=SLOW)
    expect(page.get_by_test_id("notifications-unread")).to_have_text("1 unread")
    bell = page.get_by_test_id("shell-bell")
    expect(bell).to_have_accessible_name("Notifications, 1 unread")
    row.get_by_role("button", name="Mark as read").click()
    expect(page.get_by_test_id("notifications-unread")).to_have_text("0 unread")
    expect(row).to_have_attribute("data-read", "true")
    row.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Crew leaves")).to_have_count(0)


def test_what_one_is_told_by_which_way_is_kept(visit: Open, site: Site) -> None:
    wishes = site.call("GET", "/notifications/preferences")["items"]
    code = next(w["type_code"] for w in wishes if not w["mandatory"])
    was = "sms" in next(w for w in wishes if w["type_code"] == code)["channels"]
    page = visit("/notifications")
    box = page.get_by_test_id(f"wish-{code}-sms")
    with page.expect_response(lambda reply: reply.request.method == "PUT"):
        box.set_checked(not was)
    page.get_by_test_id("wish-quiet-from").fill("22:00")
    page.get_by_test_id("wish-quiet-to").fill("06:30")
    with page.expect_response(lambda reply: reply.request.method == "PUT"):
        page.get_by_test_id("wish-quiet-save").click()
    page.reload()
    expect(box).to_be_checked(checked=not was)
    expect(page.get_by_test_id("wish-quiet-from")).to_have_value("22:00")
    page.get_by_test_id(f"wish-{code}").get_by_role("button").click()
    expect(box).to_be_checked(checked=was)


def test_an_administrator_sees_the_state_and_changes_a_setting(visit: Open, site: Site) -> None:
    page = visit("/admin")
    expect(page.get_by_test_id("admin-figures")).to_contain_text("Users")
    expect(page.get_by_test_id("admin-sessions")).to_contain_text("127.0.0.1")
    expect(page.get_by_test_id("admin-plugins")).to_contain_text("scada")
    page.get_by_test_id("settings-notifications-digest_after").fill("7")
    page.get_by_test_id("settings-notifications-submit").click()
    expect(page.get_by_test_id("settings-notifications-reset")).to_be_visible()
    parts = site.call("GET", "/admin/settings")["items"]
    values = {s["key"]: s["value"] for p in parts for s in p["settings"]}
    assert values["digest_after"] == 7
    page.get_by_test_id("settings-notifications-reset").click()
    expect(page.get_by_test_id("settings-notifications-reset")).to_have_count(0)
    page.get_by_test_id("admin-changes").click()
    page.wait_for_url("**/admin/audit-logs")
    expect(page.get_by_test_id("admin-audit-logs-table").locator("tbody tr").first).to_be_visible()


def test_an_address_is_not_confirmed_by_a_wrong_link(visit: Open) -> None:
    page = visit("/home")
    sign_out(page)
    page.goto("/verify/not-a-token")
    page.get_by_test_id("verify-submit").click()
    expect(page.get_by_test_id("login-error")).to_be_visible()
    expect(page.get_by_test_id("verify-done")).to_have_count(0)
