"""A breaker is operated from the centre: over a gateway and over Modbus, on good and bad days."""

import asyncio
import datetime as dt

import pytest

from hub import uuid7
from tests.waiting import until

OPEN = {"value": 0, "reason": "planned maintenance"}


def key():
    return str(uuid7())


async def execute(place, me, body=None, status=202, **more):
    control = await place.control(me)
    path = f"scada/controls/{control['id']}/execute"
    got, row = await place.send("POST", path, me, (body or OPEN) | more, key())
    assert got == status, row
    return row


async def change(place, me, **given):
    control = await place.control(me)
    got, row = await place.send("PUT", f"scada/controls/{control['id']}", me, given)
    assert got == 200, row
    return row


async def point(place, me, name):
    items = (await place.get("scada/points?limit=100", me))["items"]
    return next(p for p in items if p["name"] == name)


@pytest.fixture
async def me(person):
    return await person("scada.*")


async def test_a_gateways_controls_are_known_with_their_feedback_and_their_two_steps(place, me):
    control = await place.control(me)
    assert (control["name"], control["control_type"]) == ("breaker", "switch")
    assert control["allowed_values"] == [0.0, 1.0]
    assert control["select_before_operate"] is True
    position = await point(place, me, "switch.position")
    assert control["feedback_point_id"] == position["id"]

    async def seen():
        (row,) = (await place.get("scada/controls/present", me))["items"]
        return row if not row["stale"] else None

    row = await until(seen)
    assert (row["value"], row["word"], row["busy"]) == (1.0, "closed", None)


async def test_a_breaker_opens_and_its_feedback_confirms_it(place, me):
    await place.linked()
    asked = await execute(place, me)
    assert asked["state"] == "queued"
    row = await place.command(asked["id"], me, "confirmed", "failed", "timeout", "unknown")
    assert (row["state"], row["result"], place.moves) == ("confirmed", "done", [0])
    assert row["sent_at"] <= row["confirmed_at"]
    steps = (await place.get(f"scada/commands/{row['id']}/journal", me))["items"]
    assert [s["state"] for s in steps] == ["requested", "sent", "confirmed"]
    assert steps[0]["detail"] == "planned maintenance"


async def test_the_opened_breaker_is_an_alarm_that_is_acknowledged_at_the_centre(place, me):
    await place.linked()
    await execute(place, me)

    async def raised():
        return (await place.get("scada/alarms/active", me))["items"]

    (alarm,) = await until(raised)
    assert alarm["message"] == "CB1.switch.position is open, normally closed"
    got, row = await place.send(
        "PUT", f"scada/alarms/{alarm['id']}/acknowledge", me, {"note": "I did it"}
    )
    assert (got, row["status"]) == (200, "acknowledged")

    def told():
        from hub.kernel.alarms import ALARMS

        live = place.gateway.get(ALARMS).live()
        return [a for a in live if a.acknowledged]

    (there,) = await until(told)
    assert (there.status, there.acknowledged.note) == ("acknowledged", "I did it")


async def test_what_is_not_allowed_is_not_sent(place, me, person):
    assert (await execute(place, me, status=422, value=7))["details"][0]["field"] == "value"
    await execute(place, me, status=422, reason="no")
    watcher = await person("scada.controls.read")
    await execute(place, watcher, status=403)
    control = await place.control(me)
    got, body = await place.send("POST", f"scada/controls/{control['id']}/execute", me, OPEN)
    assert (got, body["details"][0]["field"]) == (400, "Idempotency-Key")
    assert place.moves == []


async def test_the_same_request_again_is_the_same_command(place, me):
    await place.linked()
    control, same = await place.control(me), key()
    path = f"scada/controls/{control['id']}/execute"
    _, first = await place.send("POST", path, me, OPEN, same)
    _, again = await place.send("POST", path, me, OPEN, same)
    assert first["id"] == again["id"]
    await place.command(first["id"], me, "confirmed")
    assert place.moves == [0]


async def test_two_operators_at_one_switch(place, me, person):
    other = await person("scada.*")
    await place.linked()
    place.stuck = True
    await change(place, me, timeout_seconds=2)
    path = f"scada/controls/{(await place.control(me))['id']}/execute"
    answers = await asyncio.gather(
        *(place.send("POST", path, who, OPEN, key()) for who in (me, other))
    )
    assert sorted(got for got, _ in answers) == [202, 409]
    refused = next(body for got, body in answers if got == 409)
    assert refused["error_code"] == "BUSY"
    first = next(body for got, body in answers if got == 202)
    row = await place.command(first["id"], me, "timeout")
    assert "CB1.switch.position is 1" in row["error_message"]
    place.stuck = False
    assert (await execute(place, other))["state"] == "queued"


async def test_a_device_that_refuses_makes_the_command_fail(place, me):
    await place.linked()
    await place.control(me)
    place.breaker.faults = None
    from simulators.modbus import Refused

    def refuse(name, value):
        raise Refused(4)

    place.breaker.on_write.insert(0, refuse)
    asked = await execute(place, me)
    row = await place.command(asked["id"], me, "failed")
    assert (row["result"], place.moves) == ("rejected", [])


async def test_an_interlock_is_judged_at_the_centre_and_by_the_gateways_fresher_value(place, me):
    await place.linked()
    local = await point(place, me, "switch.local") if await place.control(me) else None
    lock = {"point_id": local["id"], "op": "==", "value": 0}
    await change(place, me, interlocks=[lock])

    async def known(value):
        rows = (await place.get(f"scada/readings/live?points={local['id']}", me))["items"]
        return rows and rows[0]["value"] == value

    await until(lambda: known(0))
    await place.wire.cut()
    place.breaker.image.set("switch.local", 1)
    await asyncio.sleep(0.3)
    asked = await execute(place, me)
    await place.wire.mend()
    row = await place.command(asked["id"], me, "failed", "confirmed")
    assert (row["state"], row["result"]) == ("failed", "interlocked"), row
    assert row["error_message"] == "CB1.switch.local is 1, must be == 0"
    await until(lambda: known(1))
    refused = await execute(place, me, status=409)
    assert (refused["error_code"], place.moves) == ("INTERLOCK", [])


async def test_a_second_person_who_is_another_one(place, me, person):
    await place.linked()
    await change(place, me, requires_second_person=True)
    asked = await execute(place, me)
    assert asked["state"] == "awaiting_approval"
    path = f"scada/commands/{asked['id']}/approve"
    assert (await place.send("POST", path, me, {}))[0] == 403
    assert place.moves == []
    other = await person("scada.controls.*")
    got, row = await place.send("POST", path, other, {"note": "agreed"})
    assert (got, row["state"]) == (200, "queued")
    row = await place.command(asked["id"], me, "confirmed")
    assert row["approved_by"] != row["requested_by"]
    assert place.moves == [0]


async def test_a_command_that_waited_out_a_partition_is_never_executed(place, me):
    await place.linked()
    await change(place, me, timeout_seconds=1)
    await place.wire.cut()
    asked = await execute(place, me)
    assert asked["state"] == "queued"
    age(place, asked["id"], dt.timedelta(seconds=40))
    await place.wire.mend()
    row = await place.command(asked["id"], me, "expired")
    assert row["error_message"] == "it was not sent in time"
    await place.linked()
    await asyncio.sleep(0.5)
    assert place.moves == []


async def test_a_command_is_taken_back_while_nobody_has_sent_it(place, me):
    await place.linked()
    await place.control(me)
    await place.wire.cut()
    asked = await execute(place, me)
    got, row = await place.send("POST", f"scada/commands/{asked['id']}/cancel", me, {})
    assert (got, row["state"]) == (200, "cancelled")
    await place.wire.mend()
    await place.linked()
    await asyncio.sleep(0.3)
    assert place.moves == []


async def test_a_link_that_dies_while_a_command_is_executed_ends_known_when_it_is_back(place, me):
    await place.linked()
    await place.control(me)
    place.stuck = True
    asked = await execute(place, me)
    await until(lambda: place.moves)
    await place.wire.cut()
    place.breaker.image.set("switch.position", 0)
    await asyncio.sleep(0.3)
    assert (await place.get(f"scada/commands/{asked['id']}", me))["state"] in {"queued", "sent"}
    await place.wire.mend()
    row = await place.command(asked["id"], me, "confirmed")
    assert place.moves == [0]
    assert row["result"] == "done"


async def test_a_gateway_that_never_comes_back_leaves_it_unknown(place, me):
    await place.linked()
    await place.control(me)
    place.stuck = True
    asked = await execute(place, me)
    await place.command(asked["id"], me, "sent")
    await place.wire.cut()
    age(place, asked["id"], dt.timedelta(seconds=120))
    row = await place.command(asked["id"], me, "unknown")
    assert row["error_message"] == "its gateway did not tell how it ended"


async def test_a_gateway_that_is_killed_in_the_middle_repeats_nothing_and_says_unknown(place, me):
    await place.control(me)
    await place.stop_gateway()
    place.stuck = True
    async with place.gateway_process() as process:
        asked = await execute(place, me)
        await until(lambda: place.moves, 20.0)
        process.kill()
    await place.start_gateway()
    row = await place.command(asked["id"], me, "unknown")
    assert "stopped while it was executed" in row["error_message"]
    assert place.moves == [0]


async def test_local_means_local(place, me):
    from hub.kernel.operator import OPERATOR

    await place.linked()
    await place.gateway.get(OPERATOR).set_local(True)
    asked = await execute(place, me)
    row = await place.command(asked["id"], me, "failed")
    assert (row["result"], place.moves) == ("local", [])


async def test_a_test_checks_everything_and_sends_nothing(place, me):
    await place.linked()
    asked = await execute(place, me, test=True)
    row = await place.command(asked["id"], me, "confirmed")
    assert (row["is_test"], place.moves) == (True, [])


async def test_a_device_takes_orders_by_their_names(place, me):
    await place.linked()
    control = await place.control(me)
    path = f"scada/devices/{control['device_id']}/command"
    body = {"command": "open", "reason": "planned maintenance"}
    got, row = await place.send("POST", path, me, body, key())
    assert (got, row["value"]) == (202, 0.0)
    await place.command(row["id"], me, "confirmed")
    got, body = await place.send("POST", path, me, body | {"command": "explode"}, key())
    assert (got, body["details"][0]["field"]) == (400, "command")


async def test_a_permission_that_was_taken_away_counts_at_once(place, person):
    boss, me = await person("*"), await person("scada.*", "auth.*")
    await place.linked()
    await place.control(me)
    who = await place.get("auth/me", me)
    got, body = await place.send("POST", f"identity/users/{who['id']}/roles", boss, {"roles": []})
    assert got == 200, body
    got, _ = await place.send("POST", f"scada/controls/{uuid7()}/execute", me, OPEN, key())
    assert (got, place.moves) == (403, [])


def age(place, command, by):
    """Let a command and its order be that much older."""
    import psycopg

    with psycopg.connect(place.dsn, autocommit=True) as connection:
        connection.execute(
            "UPDATE scada_command SET expires_at = expires_at - %s WHERE id = %s", (by, command)
        )
        connection.execute("UPDATE sync_order SET expires_at = expires_at - %s", (by,))
