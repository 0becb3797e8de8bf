"""What moves: live values, what becomes of them when the line is cut, trends, ten thousand rows."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.site import Site

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.xdist_group("e2e")  # one running system for all
Open = Callable[..., Any]

HEAD = "part-SS1-F1-HEAD"


def test_a_live_value_is_seen_to_change(visit: Open, site: Site) -> None:
    page = visit(f"/scada/stations/{site.station('SS1')}/live")
    part = page.get_by_test_id(HEAD)
    expect(part).to_have_attribute("data-quality", "good")
    expect(page.get_by_test_id("feed-state")).to_have_text("Live")
    before = part.text_content()
    assert "W" in before
    expect(part).not_to_have_text(before)
    expect(page.get_by_test_id("switch-SS1-F1-CB")).to_have_attribute("data-state", "live")
    part.focus()
    page.keyboard.press("Enter")
    panel = page.get_by_test_id("device-panel")
    expect(panel.get_by_role("link", name="frequency")).to_be_visible()
    expect(panel.locator("[data-quality=good]").first).to_be_visible()


def test_a_cut_line_makes_every_value_old_and_the_page_says_so(visit: Open, site: Site) -> None:
    page = visit("/home")
    sockets: list[Any] = []
    cut = False

    def between(socket: Any) -> None:
        if cut:
            socket.close(code=1012)
            return
        server = socket.connect_to_server()
        sockets.append((socket, server))

    page.route_web_socket("**/ws/readings", between)
    page.goto(f"/scada/stations/{site.station('SS1')}/live")
    part = page.get_by_test_id(HEAD)
    expect(part).to_have_attribute("data-quality", "good")
    cut = True
    for socket, server in sockets:
        server.close()
        socket.close(code=1012)
    expect(page.get_by_test_id("feed-lost")).to_be_visible()
    expect(part).to_have_attribute("data-quality", "stale")
    expect(part).to_contain_text("old")
    expect(page.get_by_test_id("switch-SS1-F1-CB")).to_have_attribute("data-state", "unknown")
    cut = False
    expect(part).to_have_attribute("data-quality", "good")
    expect(page.get_by_test_id("feed-state")).to_have_text("Live")


def test_all_points_are_on_one_page_that_draws_only_what_is_in_sight(visit: Open) -> None:
    page = visit("/scada/values")
    table = page.get_by_test_id("values")
    expect(table.locator("[data-quality=good]").first).to_be_visible()
    assert int(table.get_attribute("aria-rowcount")) > 1000
    assert table.get_by_role("row").count() < 80
    table.evaluate("t => { t.scrollTop = t.scrollHeight }")
    expect(table.locator("[data-quality=good]").last).to_be_visible()
    expect(table.get_by_role("row").last).to_have_attribute(
        "aria-rowindex", re.compile(r"^1\d{3}$")
    )
    assert table.get_by_role("row").count() < 80
    page.get_by_test_id("values-search").fill("frequency")
    expect(table.get_by_role("row").nth(1)).to_contain_text("frequency")


def test_a_trend_is_drawn_zoomed_and_goes_on_by_itself(visit: Open, site: Site) -> None:
    point = site.point("SS1-F1-HEAD", "power.active.total")
    page = visit(f"/scada/trends?points={point}")
    chart = page.get_by_test_id("trend-chart")
    expect(chart.locator("canvas")).to_be_visible()
    expect(page.get_by_text("Every reading")).to_be_visible()
    with page.expect_response(lambda r: "aggregate" in r.url and "bucket=1m" in r.url) as reply:
        page.get_by_test_id("trend-1h").click()
    assert reply.value.ok
    with page.expect_response(lambda r: "bucket=1d" in r.url):
        page.get_by_test_id("trend-1y").click()
    page.get_by_test_id("trend-5m").click()
    expect(page.get_by_text("Every reading")).to_be_visible()
    chart.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**to=*")
