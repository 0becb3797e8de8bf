"""Safe hands on the switches, and the alarm of one that should be closed."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.site import Site

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.xdist_group("e2e")
Open = Callable[..., Any]

BREAKER = "SS1-F2-CB"
SLOW = 20_000  # ms: over gateway, device and back


@pytest.fixture(autouse=True)
def operable(site: Site) -> None:
    known = {r["key"] for r in site.call("GET", "/console/resources")["items"]}
    if missing := {"scada.controls", "scada.alarms"} - known:
        pytest.skip(f"this centre has no {', '.join(sorted(missing))}")


def _operate(page: Any, value: str, reason: str) -> None:
    page.get_by_test_id("operate-breaker").click()
    page.get_by_test_id(f"control-value-{value}").check()
    select = page.get_by_test_id("control-select")
    expect(select).to_be_disabled()
    page.get_by_test_id("control-reason").fill(reason)
    select.click()
    page.get_by_test_id("control-operate").click()


def test_a_breaker_is_opened_in_two_steps_and_seen_to_move(visit: Open, site: Site) -> None:
    page = visit(f"/scada/stations/{site.station('SS1')}/live")
    switch = page.get_by_test_id(f"switch-{BREAKER}")
    expect(switch).to_have_attribute("data-state", "live")
    switch.click()
    _operate(page, "0", "work on the line")
    state = page.get_by_test_id("control-state")
    expect(state).to_have_attribute("data-state", "confirmed", timeout=SLOW)
    page.get_by_test_id("control-close").click()
    expect(switch).to_have_attribute("data-state", "dead", timeout=SLOW)
    _operate(page, "1", "work is done")
    expect(state).to_have_attribute("data-state", "confirmed", timeout=SLOW)
    expect(switch).to_have_attribute("data-state", "live", timeout=SLOW)
    page.goto("/scada/commands")
    rows = page.get_by_test_id("scada-commands-table").locator("tbody tr")
    expect(rows.filter(has_text=BREAKER)).not_to_have_count(0)


def test_a_refused_operation_says_why(visit: Open, site: Site) -> None:
    control = site.call("GET", f"/scada/controls?code={BREAKER}.breaker")["items"][0]
    point = site.point(BREAKER, "switch.local")
    lock = [{"point_id": point, "op": "==", "value": 1}]
    site.call("PATCH", f"/scada/controls/{control['id']}", {"interlocks": lock})
    page = visit(f"/scada/stations/{site.station('SS1')}/live")
    page.get_by_test_id(f"switch-{BREAKER}").click()
    _operate(page, "0", "try the interlock")
    refused = page.get_by_test_id("control-problem").or_(page.get_by_test_id("control-state"))
    expect(refused).to_contain_text("switch.local", timeout=SLOW)
    expect(page.get_by_test_id(f"switch-{BREAKER}")).to_have_attribute("data-state", "live")
    site.call("PATCH", f"/scada/controls/{control['id']}", {"interlocks": []})


def test_an_open_breaker_is_an_alarm_that_is_acknowledged(
    visit: Open, site: Site, faults: Callable[[Any], list[str]]
) -> None:
    page = visit(f"/scada/stations/{site.station('SS2')}/live")
    page.get_by_test_id("switch-SS2-F1-CB").click()
    _operate(page, "0", "make an alarm")
    expect(page.get_by_test_id("control-state")).to_have_attribute(
        "data-state", "confirmed", timeout=SLOW
    )
    page.get_by_test_id("control-close").click()
    page.locator("#shell-menu").get_by_role("link", name="Alarms", exact=True).click()
    row = page.get_by_test_id("alarms-table").locator("tbody tr").filter(has_text="SS2-F1-CB")
    expect(row).to_have_attribute("data-status", "active", timeout=SLOW)
    row.get_by_role("button").click()
    panel = page.get_by_test_id("alarm-panel")
    expect(panel).to_contain_text("Raised")
    assert faults(page) == []
    row.get_by_role("checkbox").check()
    page.get_by_test_id("alarms-acknowledge").click()
    page.get_by_test_id("alarms-note-note").fill("seen, crew is on its way")
    page.get_by_test_id("alarms-note-submit").click()
    expect(row).to_have_attribute("data-status", "acknowledged", timeout=SLOW)
    expect(panel).to_contain_text("crew is on its way")
    page.goto(f"/scada/stations/{site.station('SS2')}/live")
    page.get_by_test_id("switch-SS2-F1-CB").click()
    _operate(page, "1", "end of the alarm")
    expect(page.get_by_test_id("control-state")).to_have_attribute(
        "data-state", "confirmed", timeout=SLOW
    )
    page.goto("/scada/alarms")
    expect(page.get_by_test_id("feed-state")).to_have_text("Live")
    expect(row).to_have_count(0, timeout=SLOW)
