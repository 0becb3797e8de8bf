"""Events become notifications and messages that really go out."""

import datetime as dt
import email
import email.policy
import hashlib
import hmac
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy import select

from hub import REPLAYER, UNIT
from plugins.events.models import LoggedEvent
from plugins.identity.events import UserLocked
from plugins.notifications.models import State
from plugins.scada.events import AlertRaised
from tests.waiting import until


def alarm(severity="critical", message="Feeder 7 tripped"):
    return AlertRaised(
        alarm_id=uuid4(),
        severity=severity,
        message=message,
        alarm_type="trip",
        station_id=None,
        device_id=None,
        raised_at=dt.datetime.now(dt.UTC),
    )


def read(envelope):
    mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
    return mail, mail.get_body(("plain",)).get_content()


async def test_a_forgotten_password_is_reset_by_the_link_in_the_mail(house):
    who = await house.person()
    body = {"identifier": who.email, "tenant": "main"}
    answer = await house.client.post("/api/v1/auth/password/request-reset", json=body)
    assert answer.status == 202
    await until(lambda: house.post.mails)
    (envelope,) = house.post.mails
    mail, text = read(envelope)
    assert envelope.rcpt_tos == [who.email]
    assert mail["From"] == "Busbar <no-reply@busbar.example>"
    token = text.split("https://busbar.example/reset/")[1].split()[0]
    body = {"token": token, "new_password": "correct horse battery 9!"}
    assert (await house.client.post("/api/v1/auth/password/reset", json=body)).status == 204


async def test_the_link_of_a_secret_mail_is_kept_nowhere_in_clear(house):
    who = await house.person()
    body = {"identifier": who.email, "tenant": "main"}
    await house.client.post("/api/v1/auth/password/request-reset", json=body)
    await until(lambda: house.post.mails)
    token = read(house.post.mails[0])[1].split("/reset/")[1].split()[0]

    async def sent():
        rows = await house.deliveries(user_id=who.id)
        return rows if rows and rows[0].status is State.SENT else None

    (delivery,) = await until(sent)
    assert delivery.body is None
    (note,) = await house.notifications(user_id=who.id)
    assert token not in str(note.data) + note.title + note.message
    assert "sealed_token" not in note.data


async def test_everybody_on_duty_is_told_of_an_alarm_in_his_own_language(house):
    first = await house.person("scada.alarms.*", phone="+967777000111")
    second = await house.person("scada.alarms.*", locale="ar")
    stranger = await house.person("crm.*")
    await house.emit(first.actor, alarm())
    await until(lambda: len(house.post.mails) >= 2 and house.carriers.asked)
    (english,) = await house.notifications(user_id=first.id)
    (arabic,) = await house.notifications(user_id=second.id)
    assert english.title == "Critical alarm: Feeder 7 tripped"
    assert arabic.title == "إنذار حرج: Feeder 7 tripped"
    assert await house.notifications(user_id=stranger.id) == []
    ((name, said),) = house.carriers.asked
    assert (name, said["to"]) == ("one", "+967777000111")
    html = {
        e.rcpt_tos[0]: email.message_from_bytes(e.content, policy=email.policy.default)
        .get_body(("html",))
        .get_content()
        for e in house.post.mails
    }
    assert 'dir="rtl"' in html[second.email]


async def test_a_replayed_event_tells_nobody_twice(house, central):
    who = await house.person("scada.alarms.*")
    await house.emit(who.actor, alarm())
    await until(lambda: house.post.mails)
    async with house.unit(who.actor) as ctx:
        event = await ctx.db.scalar(select(LoggedEvent).where(LoggedEvent.type == "alert.raised"))
        assert await central.get(REPLAYER).replay(ctx, event.id, ["notifications"]) == 1
    await house.emit(who.actor, UserLocked(user_id=who.id))  # behind it in the queue
    await until(lambda: len(house.post.mails) == 2)
    codes = [n.type_code for n in await house.notifications(user_id=who.id)]
    assert sorted(codes) == ["account.locked", "alarm.critical"]


async def test_the_second_provider_carries_what_the_first_lost(house):
    house.carriers.answers["one"] = 503
    who = await house.person("scada.alarms.*", phone="+967777000111")
    await house.emit(who.actor, alarm())

    async def sent():
        return await house.deliveries(channel="sms", status=State.SENT)

    (row,) = await until(sent)
    assert [(a["provider"], a["ok"]) for a in row.attempts] == [("one", False), ("two", True)]
    assert row.provider == "two"
    assert row.recipient == "…111"


async def test_a_refused_address_is_given_up_and_a_busy_server_is_asked_again(house, clock):
    house.post.refuse = "550 no such person"
    who = await house.person()
    await house.emit(who.actor, UserLocked(user_id=who.id))

    async def ended(state):
        return await house.deliveries(user_id=who.id, status=state)

    (row,) = await until(lambda: ended(State.FAILED))
    assert "550" in row.attempts[0]["error"]
    house.post.refuse, house.post.say = "", "451 come back later"
    other = await house.person()
    await house.emit(other.actor, UserLocked(user_id=other.id))

    async def tried():
        rows = await house.deliveries(user_id=other.id, tries=1)
        return rows and rows[0].attempts and rows

    (row,) = await until(tried)
    assert row.status is State.QUEUED
    assert row.next_at == clock() + dt.timedelta(minutes=1)
    house.post.say = ""
    clock.forward(minutes=1)
    await until(lambda: house.post.mails)


async def test_quiet_hours_hold_messages_back_but_not_a_critical_alarm(house, clock):
    who = await house.person("scada.alarms.*", phone="+967777000111", timezone="Asia/Aden")
    clock.now = dt.datetime(2027, 1, 5, 20, 0, tzinfo=dt.UTC)  # 23:00 in Aden
    await house.call(
        "PUT",
        "/preferences",
        who,
        quiet_from="22:00",
        quiet_to="07:00",
        items=[{"type_code": "alarm", "channels": ["in_app", "sms"]}],
    )
    await house.emit(who.actor, alarm("warning", "Oil is warm"))

    async def held():
        return await house.deliveries(type_code="alarm", channel="sms")

    (row,) = await until(held)
    assert row.next_at == dt.datetime(2027, 1, 6, 4, 0, tzinfo=dt.UTC)
    await house.emit(who.actor, alarm())
    await until(lambda: house.carriers.asked)
    assert ["tripped" in said["text"] for _, said in house.carriers.asked] == [True]


async def test_a_mandatory_notice_goes_out_though_its_channel_is_switched_off(house):
    who = await house.person()
    await house.call("PUT", "/preferences", who, channels=["in_app"])
    await house.emit(who.actor, UserLocked(user_id=who.id))
    await until(lambda: house.post.mails)


async def test_a_flood_of_one_type_is_gathered(house):
    who = await house.person("scada.alarms.*", phone="+967777000111")
    await house.call(
        "PUT", "/preferences", who, items=[{"type_code": "alarm", "channels": ["in_app", "email"]}]
    )
    await house.emit(who.actor, *(alarm("warning", f"Alarm {n}") for n in range(30)))

    async def all_told():
        return len(await house.notifications(user_id=who.id)) == 30

    await until(all_told)
    rows = await house.deliveries(user_id=who.id, channel="email")
    assert len(rows) == 21
    assert max(r.merged for r in rows) == 10


async def test_a_receipt_counts_only_with_the_providers_signature(house):
    who = await house.person("scada.alarms.*", phone="+967777000111")
    await house.emit(who.actor, alarm())

    async def sent():
        return await house.deliveries(channel="sms", status=State.SENT)

    (row,) = await until(sent)
    body = msgspec.json.encode({"reference": row.provider_ref, "status": "delivered"})
    url = "/api/v1/notifications/callbacks/one"
    forged = {"X-Signature": "sha256=" + "0" * 64}
    assert (await house.client.post(url, data=body, headers=forged)).status == 401
    right = hmac.new(b"secret of one", body, hashlib.sha256).hexdigest()
    signed = {"X-Signature": f"sha256={right}"}
    assert (await house.client.post(url, data=body, headers=signed)).status == 204
    assert await house.deliveries(channel="sms", status=State.DELIVERED)


async def test_a_companys_own_rule_tells_of_any_event(house):
    who = await house.person("notifications.admin.*", "ops.duty.read")
    await house.call(
        "POST",
        "/rules",
        who,
        201,
        name="reactor",
        event_types=["alert.*"],
        filter={"path": "data.severity", "op": "==", "value": "info"},
        recipients=["may:ops.duty.read"],
        title="Look: {{message}}",
        message="{{type}} of severity {{severity}}",
    )
    await house.emit(who.actor, alarm("info", "Door open"), alarm("error", "Not this"))
    (note,) = await until(lambda: house.notifications(user_id=who.id))
    assert (note.title, note.message) == ("Look: Door open", "alert.raised of severity info")


@pytest.mark.parametrize("wrong", ["everybody", "role:", "may:all", "id:1"])
async def test_a_rule_for_nobody_is_refused(house, wrong):
    who = await house.person("notifications.admin.*")
    said = await house.call(
        "POST", "/rules", who, 422, name="x", event_types=["*"], recipients=[wrong],
        title="t", message="m",
    )  # fmt: skip
    assert said["details"][0]["field"] == "recipients"


async def test_a_companys_own_text_replaces_the_shipped_one(house):
    who = await house.person("notifications.admin.*")
    text = {
        "type_code": "account.locked",
        "channel": "email",
        "locale": "en",
        "subject": "Locked\r\nBcc: everyone@example.org",
        "body": "Dear {{recipient}}, wait: 1 < 2.",
    }
    await house.call("POST", "/templates", who, 201, **text)
    await house.emit(who.actor, UserLocked(user_id=who.id))
    await until(lambda: house.post.mails)
    mail, plain = read(house.post.mails[0])
    assert mail["Subject"] == "Locked Bcc: everyone@example.org"
    assert mail["Bcc"] is None
    assert "wait: 1 < 2." in plain
    assert "wait: 1 &lt; 2." in mail.get_body(("html",)).get_content()


async def test_without_a_provider_a_message_is_skipped_and_says_why(house, central):
    who = await house.person("scada.alarms.*", phone="+967777000111")
    wanted = [{"type_code": "alarm", "channels": ["in_app", "whatsapp"]}]
    await house.call("PUT", "/preferences", who, items=wanted)
    await house.emit(who.actor, alarm("error"))

    async def skipped():
        return await house.deliveries(channel="whatsapp", status=State.SKIPPED)

    (row,) = await until(skipped)
    assert row.attempts[0]["error"] == "no provider is configured"
    assert central.get(UNIT)
