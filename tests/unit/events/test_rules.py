"""Pauses, the breaker and the end of patience."""

import datetime as dt

import pytest

from plugins.events.rules import SCHEDULE, Breaker, Outcome, disabled, pause
from plugins.events.signing import sign

FAILED = Outcome(status=500)


def test_a_signature_is_that_of_the_standard():
    # Example of the specification of Standard Webhooks 1.0.0.
    secret, ident = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"
    made = sign(secret, ident, 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("number", range(1, len(SCHEDULE) + 1))
def test_a_pause_is_near_its_place_in_the_schedule(number):
    base = SCHEDULE[number - 1]
    assert pause(number, FAILED, 0.0) == base * 0.8
    assert pause(number, FAILED, 0.5) == base


def test_after_the_last_attempt_there_is_none():
    assert pause(len(SCHEDULE) + 1, FAILED, 0.5) is None


@pytest.mark.parametrize(("asked", "waits"), [(0, 300), (400, 400), (10_000, 600), (1e300, 600)])
def test_a_receiver_may_ask_for_up_to_twice_the_pause(asked, waits):
    outcome = Outcome(status=503, retry_after=asked)
    assert pause(2, outcome, 0.0) == dt.timedelta(seconds=waits)


@pytest.mark.parametrize("outcome", [Outcome(timed_out=True), Outcome(status=429)])
def test_an_overloaded_receiver_gets_a_minute(outcome):
    assert pause(1, outcome, 0.5) == dt.timedelta(seconds=60)


def test_patience_ends_by_time_and_count_together():
    now = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
    long_ago, lately = now - dt.timedelta(days=6), now - dt.timedelta(hours=1)
    assert disabled(FAILED, 50, long_ago, now) == "failing"
    assert disabled(FAILED, 5, long_ago, now) is None
    assert disabled(FAILED, 5000, lately, now) is None
    assert disabled(Outcome(status=410), 1, now, now) == "gone"


def test_the_breaker_opens_cools_proves_and_closes():
    breaker = Breaker()
    opened = [breaker.note(False, 0.1 * n) for n in range(Breaker.FAILURES)]
    assert opened == [False] * (Breaker.FAILURES - 1) + [True]
    assert breaker.state(20.0) is Breaker.State.OPEN
    later = 10.0 + Breaker.COOL
    assert breaker.state(later) is Breaker.State.HALF_OPEN
    assert breaker.note(False, later)
    assert breaker.state(later + 1) is Breaker.State.OPEN
    later += Breaker.COOL + 1
    for n in range(Breaker.PROOF):
        assert breaker.state(later + n) is Breaker.State.HALF_OPEN
        assert not breaker.note(True, later + n)
    assert breaker.state(later + 20) is Breaker.State.CLOSED


def test_few_failures_among_many_successes_do_not_open_it():
    breaker = Breaker()
    assert not any(breaker.note(n % 4 != 0, n * 0.01) for n in range(2000))


def test_old_failures_are_forgotten():
    breaker = Breaker()
    for n in range(Breaker.FAILURES - 1):
        breaker.note(False, float(n))
    assert not breaker.note(False, 1000.0)
    assert not breaker.quiet(1000.0)
    assert breaker.quiet(2000.0)
