"""What a technician does at a gateway's own page, over the requests that the page makes."""

import asyncio
import csv
import io
import json
from pathlib import Path

from hub import CommandDone, Note
from hub.kernel.app import JOURNAL
from tests import toy
from tests.integration.api.test_local import PASSWORD, gateway, get, post, signed, value
from tests.waiting import until

LOCAL = "/api/v1/local"
WRITABLE = '{ name = "sw", address = "1", writable = true, select = true },'


async def sign_in(client, password=PASSWORD, by="Ann", **more):
    """Status, and the headers that go with what changes something."""
    body = {"password": password, "by": by}
    async with client.post(f"{LOCAL}/session", json=body, **more) as answer:
        told = await answer.json()
        return answer.status, {"X-CSRF-Token": told.get("csrf", "")}


async def sent(client, path, headers=None, **body):
    async with client.post(f"{LOCAL}{path}", json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_the_page_comes_without_sign_in_and_runs_no_foreign_script(tmp_path):
    async with toy.peer() as peer, gateway(tmp_path, peer, "0.0.0.0") as (_, client):
        async with client.get("/") as answer:
            page, policy = await answer.text(), answer.headers["Content-Security-Policy"]
        assert 'src="/page/main.js"' in page
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        async with client.get("/page/main.js") as answer:
            assert (answer.status, answer.content_type) == (200, "text/javascript")
        for gone in ("/page/none.js", "/page/..%2Flocal.py", "/page/%2e%2e/local.py"):
            assert (await get(client, gone))[0] in {401, 404}
        assert (await get(client, f"{LOCAL}/points"))[0] == 401
        told = (await get(client, f"{LOCAL}/session"))[1]
        assert (told["possible"], told["reads"], told["signed_in"]) == (True, False, False)


async def test_a_session_needs_its_csrf_token_for_changes_and_ends_with_the_sign_out(tmp_path):
    async with toy.peer(v=1, w=1) as peer, gateway(tmp_path, peer) as (_, client):
        status, headers = await sign_in(client)
        assert status == 200
        (cookie,) = client.cookie_jar
        assert cookie["httponly"]
        assert cookie["samesite"] == "Strict"
        trace = f"{LOCAL}/trace/line"
        assert await post(client, trace) == 403
        assert await post(client, trace, headers={"X-CSRF-Token": "guess"}) == 403
        assert await post(client, trace, headers=headers) == 200
        async with client.delete(f"{LOCAL}/session") as answer:
            assert not (await answer.json())["signed_in"]
        assert await post(client, trace, headers=headers) == 401


async def test_a_form_of_another_site_cannot_sign_in(tmp_path):
    async with toy.peer() as peer, gateway(tmp_path, peer) as (_, client):
        data = json.dumps({"password": PASSWORD})
        plain = {"Content-Type": "text/plain"}
        assert await post(client, f"{LOCAL}/session", data=data, headers=plain) == 400
        status, _ = await sign_in(client, headers={"Origin": "https://evil.example"})
        assert status == 403


async def test_who_guesses_has_to_wait(tmp_path, monkeypatch):
    monkeypatch.setattr("api.technician.PENALTY", 0.0)
    async with toy.peer() as peer, gateway(tmp_path, peer) as (_, client):
        got = [(await sign_in(client, password=f"guess {n}"))[0] for n in range(7)]
        assert got == [401] * 5 + [429] * 2
        assert (await sign_in(client))[0] == 429


async def test_a_value_is_asked_for_now_with_the_bytes_that_it_took(tmp_path):
    async with toy.peer(v=2205, w=1) as peer, gateway(tmp_path, peer) as (_, client):
        await value(client)
        assert (await sent(client, "/points/m.v/read"))[0] == 401
        _, headers = await sign_in(client)
        status, told = await sent(client, "/points/m.v/read", headers)
        assert (status, told["now"]["value"], told["trouble"]) == (200, 220.5, "")
        assert [f["sent"] for f in told["wire"]][:2] == [True, False]
        assert (await sent(client, "/points/m.none/read", headers))[0] == 404
        await peer.stop()

        async def gone():
            return (await sent(client, "/points/m.v/read", headers))[0] == 503

        await until(gone)


async def test_a_technician_operates_in_two_steps_after_taking_over(tmp_path):
    order = {"value": 1, "reason": "test of the drive"}
    async with (
        toy.peer(v=1, w=1, sw=0) as peer,
        gateway(tmp_path, peer, more=WRITABLE) as (hub, client),
    ):
        await value(client)
        _, headers = await sign_in(client)
        status, told = await sent(client, "/points/m.sw/select", headers, **order)
        assert (status, told["code"]) == (409, "conflict")
        assert await post(client, f"{LOCAL}/control/local", headers=headers) == 200
        assert (await sent(client, "/points/m.sw/select", headers, value=1, reason="no"))[0] == 400
        _, told = await sent(client, "/points/m.sw/operate", headers, **order)
        assert told["outcome"] == "no_select"
        _, told = await sent(client, "/points/m.sw/select", headers, **order)
        assert told["outcome"] == "done"
        _, told = await sent(client, "/points/m.sw/operate", headers, **order)
        assert told["outcome"] == "done"
        _, told = await sent(client, "/points/m.v/operate", headers, **order)
        assert told["outcome"] == "not_supported"
        journal = hub.get(JOURNAL)
        assert journal.of(CommandDone)[-2].actor == "technician Ann"
        assert "test of the drive" in journal.of(Note)[-1].message


async def test_the_last_log_entries_are_shown_without_secrets(tmp_path):
    import logging

    async with toy.peer(v=1, w=1) as peer, gateway(tmp_path, peer) as (_, client):
        log = logging.getLogger("tests.page")
        log.warning("token=%s", "abc123", extra={"action": "try", "password": "x"})
        _, told = await get(client, f"{LOCAL}/log?level=warning")
        line = next(entry for entry in told["lines"] if entry["logger"] == "tests.page")
        assert (line["message"], line["fields"]["password"]) == ("token=***", "***")
        _, later = await get(client, f"{LOCAL}/log?after={line['number']}&level=warning")
        assert line["number"] not in [entry["number"] for entry in later["lines"]]
        assert (await get(client, f"{LOCAL}/log?level=loud"))[0] == 400


async def test_history_is_exported_from_the_gateways_own_disk(tmp_path):
    async with toy.peer(v=2205, w=1) as peer, gateway(tmp_path, peer) as (_, client):
        await value(client)
        await asyncio.sleep(0.2)
        async with client.get(f"{LOCAL}/export?match=m.v") as answer:
            assert answer.headers["Content-Disposition"].startswith('attachment; filename="s7-')
            text = (await answer.read()).decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text)))
        assert {(r["point"], r["value"], r["unit"], r["quality"]) for r in rows} == {
            ("m.v", "220.5", "V", "good")
        }
        async with client.get(f"{LOCAL}/export?format=ndjson&match=m.w") as answer:
            lines = await answer.text()
        assert [json.loads(line)["point"] for line in lines.splitlines()][:1] == ["m.w"]
        backwards = "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"
        assert (await get(client, f"{LOCAL}/export?{backwards}"))[0] == 400
        assert (await get(client, f"{LOCAL}/export?from=yesterday"))[0] == 400


async def test_buffer_and_points_are_told(tmp_path):
    async with toy.peer(v=1, w=1) as peer, gateway(tmp_path, peer) as (_, client):
        await value(client)
        _, told = await get(client, f"{LOCAL}/buffer")
        assert told["centre"] is None
        assert told["buffer"]["healthy"] is True
        _, known = await get(client, f"{LOCAL}/catalogue")
        assert {(p["key"], p["channel"]) for p in known["points"]} == {
            ("m.v", "line"), ("m.w", "line"),
        }  # fmt: skip
        _, some = await get(client, f"{LOCAL}/points?limit=1")
        assert (len(some["points"]), some["total"]) == (1, 2)


async def test_a_word_on_an_alarm_counts_for_the_occurrence_that_was_seen(tmp_path):
    async with toy.peer(v=3_000, w=1) as peer, gateway(tmp_path, peer) as (_, client):

        async def raised():
            return (await get(client, f"{LOCAL}/alarms"))[1]["alarms"]

        (alarm,) = await until(raised)
        path = f"/alarms/{alarm['id']}/acknowledge"
        await sent(client, path, signed(), note="of yesterday", occurrence=0)
        assert (await raised())[0]["status"] == "active"
        await sent(client, path, signed(), note="seen", occurrence=alarm["occurrence"])
        assert (await raised())[0]["status"] == "acknowledged"


def test_the_page_has_every_word_in_both_languages() -> None:
    import re

    import api.local_page

    folder: Path = api.local_page.FOLDER
    english, arabic = (json.loads((folder / f"{n}.json").read_text()) for n in ("en", "ar"))
    places = {k: set(re.findall(r"{\w+}", w)) for k, w in english.items()}
    assert places == {k: set(re.findall(r"{\w+}", w)) for k, w in arabic.items()}
    source = "".join(path.read_text() for path in folder.glob("*.js"))
    used = set(re.findall(r"\bt\('([a-z.]+)'", source))
    assert used <= set(english)
    assert "innerHTML" not in source
