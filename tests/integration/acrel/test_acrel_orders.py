"""Orders to meters: written down, sent by the platform's interface, confirmed by the meter."""

import time

import msgspec
import psycopg
import pytest

from drivers.acrel.intake import INTAKE, Source
from drivers.mqtt.acrel_events import read_event
from hub import (
    UNIT,
    Conflict,
    Invalid,
    MeterOrderKind,
    MeterOrderState,
    NotFound,
)
from tests.integration.acrel.conftest import METER, happened, order, stored
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("meter")


@pytest.fixture
def say(central, actor):
    """What the meter says of itself, by whatever way."""

    async def tell(kind, **body):
        stamp = time.time_ns() // 1000
        raw = msgspec.json.encode({"timestamp": stamp, **body})
        received = read_event(raw, {"event_type": kind, "meter_id": METER})
        async with central.get(UNIT)(actor) as ctx:
            await central.get(INTAKE).keep(ctx, received, Source.WEBHOOK)

    return tell


def steps(dsn: str, ident: str = "o-1") -> list[str]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT s.state FROM acrel_order_step s JOIN acrel_order o ON o.id = s.order_row_id"
            " WHERE o.order_id = %s ORDER BY s.at, s.id",
            (ident,),
        ).fetchall()
    return [state for (state,) in rows]


async def test_an_order_is_sent_and_confirmed_by_the_meter_alone(
    ask, reach, say, platform, migrated
):
    platform.meters[METER] = {}
    assert (await ask(order())).state is MeterOrderState.REQUESTED
    sent = await reach(MeterOrderState.SENT)
    assert (sent.way, sent.attempts) == ("http", 1)
    await until(lambda: platform.commands)
    ((meter, body),) = platform.commands
    assert (meter, body["command"], body["command_id"]) == (METER, "relay_off", "o-1")
    await say("disconnect_confirm", result="success", command_id="o-1")
    done = await reach(MeterOrderState.CONFIRMED)
    assert not done.late
    assert steps(migrated) == ["requested", "sent", "confirmed"]


async def test_silence_is_a_time_out_and_a_late_word_still_confirms(
    ask, reach, say, platform, migrated
):
    platform.meters[METER] = {}
    await ask(order())
    await reach(MeterOrderState.TIMEOUT)
    await say("status_change", new_status="disconnected")
    assert (await reach(MeterOrderState.CONFIRMED)).late
    assert steps(migrated) == ["requested", "sent", "timeout", "confirmed"]


async def test_a_refusal_of_the_platform_is_a_failure_with_its_words(ask, reach, platform):
    platform.meters[METER], platform.refusal = {}, "the meter is sealed"
    await ask(order())
    assert "sealed" in (await reach(MeterOrderState.FAILED)).detail


async def test_the_meters_no_is_a_failure(ask, reach, say, platform):
    platform.meters[METER] = {}
    await ask(order())
    await reach(MeterOrderState.SENT)
    await say("disconnect_confirm", result="failed", command_id="o-1", message="relay stuck")
    assert (await reach(MeterOrderState.FAILED)).detail == "relay stuck"


@pytest.mark.parametrize(
    ("kind", "word"),
    [(MeterOrderKind.DISCONNECT, "disconnect"), (MeterOrderKind.RECONNECT, "reconnect")],
)
async def test_the_platforms_webhook_confirms_an_order_and_says_what_the_relay_is(
    ask, reach, post, platform, migrated, series, kind, word
):
    names, platform.meters[METER] = await series(), {}
    await ask(order(kind=kind))
    await reach(MeterOrderState.SENT)
    said = {"event_type": f"{word}_confirm", "result": "success", "command_id": "o-1"}
    assert (await post(said))[0] == 202
    await reach(MeterOrderState.CONFIRMED)
    await until(lambda: stored(migrated, names["relay"]))
    assert [v for v, _ in await stored(migrated, names["relay"])] == [float(word == "reconnect")]
    assert "meter.status_changed" in await happened(migrated)


async def test_a_confirmation_that_nobody_waits_for_is_a_change_of_state(
    post, migrated, series, clock
):
    names = await series()
    await post({"event_type": "disconnect_confirm", "result": "failed", "message": "stuck"})
    await post({"event_type": "disconnect_confirm", "result": "success"})
    when = round(clock().timestamp() * 1e6)
    assert await until(lambda: stored(migrated, names["relay"])) == [(0.0, when)]
    assert await happened(migrated) == ["meter.status_changed"]


async def test_asking_twice_is_asking_once(ask, reach, platform):
    platform.meters[METER] = {}
    wanted = order()
    await ask(wanted)
    await reach(MeterOrderState.SENT)
    assert (await ask(wanted)).order == msgspec.structs.replace(wanted, actor="billing")
    with pytest.raises(Conflict, match="another one"):
        await ask(order(kind=MeterOrderKind.RECONNECT))
    assert len(platform.commands) == 1


async def test_a_meter_takes_one_switching_order_at_a_time(ask, platform):
    platform.meters[METER] = {}
    await ask(order())
    with pytest.raises(Conflict, match="busy with order 'o-1'"):
        await ask(order("o-2", MeterOrderKind.RECONNECT))
    await ask(order("o-3", MeterOrderKind.SET_TARIFF, value="T1"))


async def test_orders_that_make_no_sense_are_refused(ask):
    with pytest.raises(NotFound):
        await ask(order(meter="ACR-9"))
    with pytest.raises(Invalid, match="expired"):
        await ask(order(seconds=-60))
    with pytest.raises(Invalid, match="tariff"):
        await ask(order(kind=MeterOrderKind.SET_TARIFF))


async def test_an_order_that_cannot_be_sent_fails_when_it_expires(ask, reach, platform):
    platform.meters[METER], platform.status = {}, 503
    await ask(order(seconds=1.5))
    failed = await reach(MeterOrderState.FAILED)
    assert failed.detail == "expired before it could be sent"
    assert platform.commands == []
