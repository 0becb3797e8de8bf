"""Orders to meters: confirmed by the meter, repeated with measure, never after their time."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from msgspec import structs

from drivers.mqtt.acrel_events import DisconnectConfirm, Event, ReconnectConfirm, StatusChange
from drivers.mqtt.control import MeterControl
from hub import Conflict, Invalid, LinkError, MeterOrder, NoResponse
from hub import MeterOrderKind as Kind
from hub import MeterOrderState as State
from hub import MeterProgress as Progress

WAIT = 0.06


def clock() -> int:
    return time.time_ns() // 1000


class Way:
    """A way that notes what it was given; down, deaf or unwilling on request."""

    def __init__(self, name: str = "mqtt", tries: int = 3) -> None:
        self.name, self.tries = name, tries
        self.sent: list[tuple[str, int]] = []
        self.down = self.deaf = self.asleep = False
        self.refusal: str | None = None

    def ready(self) -> bool:
        return not self.asleep

    async def send(self, order: MeterOrder) -> str | None:
        await asyncio.sleep(0)
        if self.down:
            raise LinkError("the broker is down")
        self.sent.append((order.id, clock()))
        if self.deaf:
            raise NoResponse("no acknowledgement")
        return self.refusal


@asynccontextmanager
async def running(
    *ways: Way, wait: float = WAIT
) -> AsyncIterator[tuple[MeterControl, list[Progress]]]:
    told: list[Progress] = []
    control = MeterControl(ways, clock, told.append, wait=wait, pause=0.02)
    task = asyncio.create_task(control.run())
    try:
        yield control, told
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def order(
    identifier: str = "o1", meter: str = "A1", kind: Kind = Kind.DISCONNECT,
    seconds: float = 60, value: str | float | None = None,
) -> MeterOrder:  # fmt: skip
    expires = clock() + int(seconds * 1e6)
    return MeterOrder(id=identifier, meter=meter, kind=kind, expires=expires, value=value)


def status(new: str, meter: str = "A1", at: int | None = None, **more: object) -> StatusChange:
    stamp = clock() if at is None else at
    return StatusChange(timestamp=stamp, meter_id=meter, new_status=new, **more)  # type: ignore[arg-type]


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_an_order_is_confirmed_by_the_meters_state_only() -> None:
    way = Way()
    async with running(way, wait=5) as (control, told):
        control.request(order())
        await until(lambda: way.sent)
        assert control.observe(status("connected")) == []
        assert control.observe(status("disconnected", meter="A2")) == []
        assert [p.state for p in control.observe(status("disconnected"))] == [State.CONFIRMED]
        assert control.observe(status("disconnected")) == []
    assert [p.state for p in told] == [
        State.REQUESTED,
        State.SENT,
        State.CONFIRMED,
    ]
    assert len(way.sent) == 1


async def test_three_tries_then_the_other_way_once_then_timeout() -> None:
    mqtt, http = Way("mqtt", 3), Way("http", 1)
    async with running(mqtt, http) as (control, _):
        control.request(order())
        await until(lambda: (control.state("o1") or order()).state is State.TIMEOUT)  # type: ignore[union-attr]
    assert (len(mqtt.sent), len(http.sent)) == (3, 1)
    gaps = [b - a for (_, a), (_, b) in zip(mqtt.sent, mqtt.sent[1:], strict=False)]
    assert min(gaps) >= WAIT * 1e6 * 0.9
    assert http.sent[0][1] > mqtt.sent[-1][1]


async def test_a_confirmation_after_the_timeout_still_counts_and_is_called_late() -> None:
    way = Way(tries=1)
    async with running(way) as (control, told):
        control.request(order())
        await until(lambda: told[-1].state is State.TIMEOUT)
        (late,) = control.observe(status("disconnected"))
    assert (late.state, late.late) == (State.CONFIRMED, True)


async def test_a_failure_told_by_the_meter_ends_the_order() -> None:
    way = Way()
    async with running(way, wait=5) as (control, told):
        control.request(order())
        await until(lambda: way.sent)
        control.observe(
            DisconnectConfirm(
                timestamp=clock(), meter_id="A1", command_id="o1", result="failed", message="welded"
            )
        )
    assert (told[-1].state, told[-1].detail) == (State.FAILED, "welded")


@pytest.mark.parametrize(
    ("kind", "value", "event"),
    [
        (Kind.RECONNECT, None, lambda: status("connected")),
        (
            Kind.RECONNECT,
            None,
            lambda: ReconnectConfirm(timestamp=clock(), meter_id="A1", result="success"),
        ),
        (Kind.SET_TARIFF, "T2", lambda: status("connected", tariff_id="T2")),
        (Kind.SET_POWER_LIMIT, 4000.0, lambda: status("connected", limit_w=4000)),
    ],
)
async def test_each_kind_has_its_confirmation(
    kind: Kind, value: str | float | None, event: Callable[[], Event]
) -> None:
    way = Way()
    async with running(way, wait=5) as (control, told):
        control.request(order(kind=kind, value=value))
        await until(lambda: way.sent)
        control.observe(event())
    assert told[-1].state is State.CONFIRMED


async def test_another_orders_confirmation_or_an_old_state_confirms_nothing() -> None:
    way = Way()
    async with running(way, wait=5) as (control, _):
        control.request(order())
        await until(lambda: way.sent)
        wrong = DisconnectConfirm(
            timestamp=clock(), meter_id="A1", command_id="x", result="success"
        )
        assert control.observe(wrong) == []
        assert control.observe(structs.replace(wrong, command_id="o1", meter_id="A2")) == []
        assert control.observe(status("disconnected", at=clock() - 3_600_000_000)) == []
        assert control.observe(status("connected", tariff_id="T2")) == []


async def test_a_state_before_anything_was_sent_confirms_nothing() -> None:
    way = Way()
    way.down = True
    async with running(way) as (control, _):
        control.request(order())
        await asyncio.sleep(0.03)
        assert control.observe(status("disconnected")) == []
        assert control.state("o1").state is State.REQUESTED  # type: ignore[union-attr]


async def test_asking_again_is_the_same_order_and_a_second_one_finds_the_meter_busy() -> None:
    way = Way()
    async with running(way, wait=5) as (control, _):
        first = order()
        control.request(first)
        control.request(first)
        with pytest.raises(Conflict, match="busy"):
            control.request(order("o2", kind=Kind.RECONNECT))
        with pytest.raises(Conflict, match="another"):
            control.request(structs.replace(first, kind=Kind.RECONNECT))
        control.request(order("o3", kind=Kind.SET_TARIFF, value="T1"))
        await until(lambda: len(way.sent) == 2)
        await asyncio.sleep(0.05)
    assert Counter(i for i, _ in way.sent) == {"o1": 1, "o3": 1}


async def test_a_refusal_is_final_when_no_way_is_left() -> None:
    mqtt, http = Way("mqtt", 1), Way("http", 1)
    mqtt.refusal, http.refusal = "unknown meter", "no such meter"
    async with running(mqtt, http) as (control, told):
        control.request(order())
        await until(lambda: told[-1].state is State.FAILED)
    assert told[-1].detail == "no such meter"
    assert (len(mqtt.sent), len(http.sent)) == (1, 1)


async def test_ten_thousand_orders_wait_for_the_broker_and_none_runs_late_or_twice() -> None:
    way = Way()
    way.asleep = True
    async with running(way, wait=30) as (control, told):
        soon, later = clock() + 300_000, clock() + 60_000_000
        for n in range(10_000):
            expires = soon if n % 2 else later
            control.request(
                MeterOrder(id=f"o{n}", meter=f"A{n}", kind=Kind.DISCONNECT, expires=expires)
            )
        await asyncio.sleep(0.5)
        assert {p.state for p in told} <= {State.REQUESTED, State.FAILED}
        way.asleep = False
        control.wake()
        await until(lambda: len(way.sent) >= 5_000, 30)
        await asyncio.sleep(0.2)
        states = Counter(control.state(f"o{n}").state for n in range(10_000))  # type: ignore[union-attr]
    assert Counter(i for i, _ in way.sent).most_common(1)[0][1] == 1
    assert {i for i, _ in way.sent} == {f"o{n}" for n in range(0, 10_000, 2)}
    assert states == {State.SENT: 5_000, State.FAILED: 5_000}


async def test_an_order_that_expires_while_it_waits_for_an_answer_is_not_sent_again() -> None:
    way = Way()
    async with running(way) as (control, told):
        control.request(order(seconds=0.03))
        await until(lambda: told[-1].state is State.TIMEOUT)
    assert len(way.sent) == 1


async def test_after_a_restart_what_was_sent_is_waited_for_and_what_was_not_is_sent() -> None:
    way = Way()
    sent = Progress(order=order("s"), state=State.SENT, attempts=1, way="mqtt", sent=clock())
    new = Progress(order=order("n", meter="A2"))
    async with running(way, wait=5) as (control, told):
        control.restore([sent, new])
        await until(lambda: way.sent)
        control.observe(status("disconnected"))
    assert [i for i, _ in way.sent] == ["n"]
    assert {(p.order.id, p.state) for p in told} == {
        ("n", State.SENT), ("s", State.CONFIRMED),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.SET_TARIFF, None),
        (Kind.SET_TARIFF, 5.0),
        (Kind.SET_POWER_LIMIT, "x"),
        (Kind.SET_POWER_LIMIT, -1.0),
    ],
)
async def test_an_order_without_a_sensible_value_is_refused(
    kind: Kind, value: str | float | None
) -> None:
    async with running(Way()) as (control, told):
        with pytest.raises(Invalid):
            control.request(order(kind=kind, value=value))
    assert told == []


async def test_an_order_that_nobody_acknowledged_counts_as_sent() -> None:
    way = Way(tries=2)
    way.deaf = True
    async with running(way) as (control, told):
        control.request(order())
        await until(lambda: told[-1].state is State.TIMEOUT)
    assert len(way.sent) == 2
    assert told[-1].attempts == 2


async def test_a_way_that_stays_down_is_passed_over_when_its_time_is_over() -> None:
    mqtt, http = Way("mqtt", 3), Way("http", 1)
    mqtt.asleep = True
    async with running(mqtt, http) as (control, told):
        control.request(order())
        await until(lambda: http.sent)
        control.observe(status("disconnected"))
    assert mqtt.sent == []
    assert (told[-1].state, told[-1].way) == (State.CONFIRMED, "http")
    assert http.sent[0][1] - told[0].asked >= 3 * WAIT * 1e6


async def test_a_way_that_goes_down_between_tries_is_passed_over_at_once() -> None:
    mqtt, http = Way("mqtt", 3), Way("http", 1)
    async with running(mqtt, http) as (control, _):
        control.request(order())
        await until(lambda: mqtt.sent)
        mqtt.down = True
        await until(lambda: http.sent)
    assert len(mqtt.sent) == 1


async def test_an_order_of_another_kind_does_not_hide_a_late_confirmation() -> None:
    way = Way(tries=1)
    async with running(way) as (control, told):
        control.request(order())
        await until(lambda: told[-1].state is State.TIMEOUT)
        control.request(order("o2", kind=Kind.SET_TARIFF, value="T1"))
        (late,) = control.observe(status("disconnected"))
    assert (late.order.id, late.state, late.late) == ("o1", State.CONFIRMED, True)
