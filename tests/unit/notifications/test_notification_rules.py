"""Channels, quiet hours and texts, without a database."""

import datetime as dt
from email import message_from_bytes, policy
from uuid import UUID
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
from hypothesis import given

from hub import (
    Channel,
    ConfigError,
    Happened,
    HttpAnswer,
    Invalid,
    LinkError,
    Notice,
    Plugin,
    Priority,
)
from plugins.notifications.consuming import catalogue, wants
from plugins.notifications.providers import (
    AskedProvider,
    Message,
    Refused,
    SmtpProvider,
    carry,
    letter,
)
from plugins.notifications.recipients import check
from plugins.notifications.rules import channels, masked, not_before, pause, quiet_until
from plugins.notifications.settings import HttpProvider, Smtp
from plugins.notifications.shipped import NOTICES
from plugins.notifications.texts import best, body, line, page

EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
NOW = dt.datetime(2026, 6, 1, 12, 0, tzinfo=dt.UTC)
CLOCKS = st.times().map(lambda t: t.strftime("%H:%M"))
ZONES = st.sampled_from(["UTC", "Asia/Aden", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"])
MESSAGE = Message(
    id=UUID(int=7), to="a@b.example", subject="Hi", body="Text", locale="en", type_code="x"
)


@pytest.mark.parametrize(
    ("chosen", "mandatory", "found"),
    [
        ([None, None], False, ["in_app", "email"]),
        ([["sms"], ["email"]], False, ["sms"]),
        ([None, ["email"]], False, ["email"]),
        ([[], None], False, []),
        ([[], None], True, ["in_app", "email"]),
        ([["sms"], None], True, ["in_app", "email", "sms"]),
    ],
)
def test_the_choice_for_the_type_goes_over_that_for_all_and_mandatory_ones_over_both(
    chosen, mandatory, found
):
    default = [Channel.EMAIL, Channel.IN_APP]
    assert list(channels(default, chosen, mandatory=mandatory)) == found


@given(
    st.integers(0, 40 * 365 * 24 * 60).map(lambda m: EPOCH + dt.timedelta(minutes=m)),
    ZONES,
    CLOCKS,
    CLOCKS,
)
def test_quiet_hours_end_within_a_day_at_their_end_and_outside_of_them_nothing_waits(
    now, zone, begins, ends
):
    until = quiet_until(now, zone, begins, ends)
    local = now.astimezone(ZoneInfo(zone)).strftime("%H:%M")
    wraps = begins > ends
    inside = (local >= begins or local < ends) if wraps else (begins <= local < ends)
    assert (until is not None) == (inside and begins != ends)
    if until is not None:
        assert now <= until <= now + dt.timedelta(hours=26)
        at = until.astimezone(ZoneInfo(zone)).strftime("%H:%M")
        skipped = zone in {"Europe/Berlin", "America/St_Johns"}
        assert at == ends or skipped or until == now


def test_only_what_rings_waits_and_never_what_is_critical():
    quiet = ("00:00", "23:59")
    later = not_before(NOW, "UTC", quiet, Channel.SMS, Priority.HIGH)
    assert later == NOW.replace(hour=23, minute=59)
    assert not_before(NOW, "UTC", quiet, Channel.SMS, Priority.CRITICAL) == NOW
    assert not_before(NOW, "UTC", quiet, Channel.EMAIL, Priority.LOW) == NOW


def test_six_attempts_take_six_hours():
    pauses = [pause(n) for n in range(1, 7)]
    assert pauses[-1] is None
    assert sum(pauses[:-1], dt.timedelta()) == dt.timedelta(hours=6)


@given(st.text(max_size=50), st.dictionaries(st.text(max_size=8), st.text(max_size=20)))
def test_a_title_is_one_line_and_no_value_is_filled_again(text, data):
    filled = line(text, data | {"name": "{{secret}}", "secret": "!"})
    assert "\n" not in filled
    assert "\r" not in filled
    assert len(filled) <= 300
    assert body("{{name}}", {"name": "{{secret}}", "secret": "!"}) == "{{secret}}"


def test_a_place_may_lie_deeper_and_what_is_missing_is_empty():
    data = {"data": {"total": 12.5}, "ok": True, "list": [1]}
    assert body("{{ data.total }} {{ok}} {{list}}{{gone.deep}}", data) == "12.5 ✓"


def test_the_page_of_a_mail_escapes_everything_but_links_addresses():
    shown = page("<script>\n\nhttps://x.example/?a=1&b=2 end", "ar")
    assert "<script>" not in shown
    assert '<a href="https://x.example/?a=1&amp;b=2">' in shown
    assert 'dir="rtl"' in shown


def test_the_language_falls_back_to_english():
    assert best({"en": "x", "ar": "y"}, "fr", "ar-YE") == "y"
    assert best({"en": "x"}, "fr") == "x"


def test_every_shipped_type_speaks_english_and_arabic_and_names_people():
    for notice in NOTICES:
        for texts in (notice.name, notice.title, notice.text, notice.mail):
            assert not texts or set(texts) == {"en", "ar"}, notice.code
        if notice.to:
            check(notice.to, "to")
    assert len({n.code for n in NOTICES}) == len(NOTICES)


def test_two_plugins_cannot_bring_one_type():
    own = Notice(code="welcome", name={"en": ""}, title={"en": ""}, text={"en": ""})
    with pytest.raises(ConfigError, match="welcome"):
        catalogue([Plugin(name="x", notices=(own,))])


def test_a_type_is_caused_by_its_events_with_its_values_alone():
    (critical,) = [n for n in NOTICES if n.code == "alarm.critical"]

    def event(type_, **data):
        return Happened(id=UUID(int=1), type=type_, tenant=UUID(int=2), at=NOW, actor="", data=data)

    assert wants(critical, event("alert.raised", severity="critical"))
    assert not wants(critical, event("alert.raised", severity="error"))
    assert not wants(critical, event("alert.closed", severity="critical"))


@pytest.mark.parametrize("said", ["all", "id:x", "may:a.b", "role:", "user:A b", "id:" + "-" * 36])
def test_a_recipient_that_names_nobody_is_refused(said):
    with pytest.raises(Invalid):
        check([said], "to")


def test_addresses_are_masked_in_lists():
    assert masked("salma@busbar.example") == "s…@busbar.example"
    assert masked("+967777000111") == "…111"


def test_a_mail_says_who_and_what_and_keeps_its_id():
    mail = letter("Bus bar <no-reply@busbar.example>", MESSAGE, NOW)
    read = message_from_bytes(mail.as_bytes(), policy=policy.default)
    assert read["Message-ID"] == f"<{UUID(int=7)}@busbar.example>"
    assert read["Auto-Submitted"] == "auto-generated"
    assert read["From"] == "Bus bar <no-reply@busbar.example>"


async def test_an_address_that_would_write_a_header_is_refused_and_not_sent():
    bad = Message(id=UUID(int=1), to="a@b.example\r\nBcc: c@d.example", subject="", body="",
                  locale="en", type_code="x")  # fmt: skip
    known = Smtp(name="post", host="192.0.2.1", sender="no-reply@busbar.example", security="none")
    with pytest.raises(Refused):
        await SmtpProvider(known, lambda: NOW).send(bad)


class Asked:
    def __init__(self, status=200, answer=b"{}"):
        self.said, self.status, self.answer = [], status, answer

    async def request(self, method, url, *, headers=None, body=b"", **limits):
        assert limits["timeout"] > 0
        self.said.append((method, url, headers, body))
        return HttpAnswer(status=self.status, headers={}, body=self.answer)


async def test_a_text_that_looks_like_a_place_stays_a_text():
    http = Asked(answer=b'{"messages": [{"id": 5}]}')
    form = {"m": "{{text}}", "n": "{{to}}"}
    known = HttpProvider(
        name="sms", url="https://sms.example", form=True, body=form, reference="messages.0.id"
    )
    said = Message(id=UUID(int=1), to="+1", subject="", body="{{to}} & more", locale="en",
                   type_code="x")  # fmt: skip
    assert await AskedProvider(known, http).send(said) == "5"
    assert http.said[0][3] == b"m=%7B%7Bto%7D%7D+%26+more&n=%2B1"


@pytest.mark.parametrize(("status", "error"), [(422, Refused), (500, LinkError), (429, LinkError)])
async def test_a_provider_that_refuses_for_good_is_told_from_one_that_is_busy(status, error):
    known = HttpProvider(name="sms", url="https://sms.example", body={})
    with pytest.raises(error):
        await AskedProvider(known, Asked(status)).send(MESSAGE)


class Known:
    def __init__(self, name, error=None):
        self.name, self.error = name, error

    async def send(self, message):
        if self.error:
            raise self.error
        return "ref"


async def test_a_bug_in_one_provider_stops_neither_the_next_nor_the_process():
    chain = [Known("a", RuntimeError("bug")), Known("b")]
    done = await carry(chain, MESSAGE, lambda: NOW)
    assert (done.provider, done.reference, [t.ok for t in done.tries]) == (
        "b",
        "ref",
        [False, True],
    )


async def test_a_message_is_given_up_at_once_only_when_everybody_refused_it():
    refused, busy = Known("a", Refused("no")), Known("b", LinkError("later"))
    assert (await carry([refused, refused], MESSAGE, lambda: NOW)).final
    assert not (await carry([refused, busy], MESSAGE, lambda: NOW)).final
    assert (await carry([], MESSAGE, lambda: NOW)).final
