"""Sessions against a model: whatever a client and a thief do in whatever order."""

import asyncio
import datetime as dt

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from hub import UNIT
from plugins.identity import ACCOUNTS, bootstrap

AUTH = "/api/v1/auth"
GRACE = 10


class Family:
    """What the model knows of one session. spent: refresh token → when it was used up."""

    def __init__(self, refresh, access, now):
        self.current, self.spent, self.access = refresh, {}, access
        self.rotated, self.alive, self.ends = None, True, now + dt.timedelta(days=1)


def machine(call, clock, admin):  # noqa: C901  -- a model and its steps belong together
    class Sessions(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.families = []

        def pick(self, number):
            return self.families[number % len(self.families)] if self.families else None

        @rule()
        def sign_in(self):
            body = {**admin, "token_delivery": "body"}
            status, answer = call("POST", "/login", body)
            assert status == 200, answer
            made = Family(answer["refresh_token"], answer["access_token"], clock())
            self.families.append(made)

        @rule(number=st.integers(0, 9))
        def refresh(self, number):
            family = self.pick(number)
            if family is None:
                return
            status, answer = call("POST", "/refresh", {"refresh_token": family.current})
            if not family.alive or family.ends <= clock():
                assert status == 401
                return
            assert status == 200, answer
            family.spent[family.current] = clock()
            family.rotated, family.previous = clock(), family.current
            family.current, family.access = answer["refresh_token"], answer["access_token"]

        @rule(number=st.integers(0, 9), which=st.integers(0, 9))
        def replay(self, number, which):
            family = self.pick(number)
            if family is None or not family.spent:
                return
            token = sorted(family.spent)[which % len(family.spent)]
            status, answer = call("POST", "/refresh", {"refresh_token": token})
            young = token == family.previous and clock() - family.rotated <= dt.timedelta(
                seconds=GRACE
            )
            if not family.alive or family.ends <= clock():
                assert status == 401
            elif young:
                assert status == 200
                assert "refresh_token" not in answer
            else:
                assert status == 401
                family.alive = False

        @rule(number=st.integers(0, 9))
        def sign_out(self, number):
            family = self.pick(number)
            if family is not None:
                status, _ = call("POST", "/logout", {"refresh_token": family.current})
                assert status == 204
                family.alive = False

        @rule(seconds=st.sampled_from([1, GRACE, GRACE + 1, 3600, 90_000]))
        def wait(self, seconds):
            clock.forward(seconds=seconds)

        def teardown(self):
            """A token of a dead session opens nothing; there is no way back to life."""
            for family in self.families:
                if not family.alive:
                    status, _ = call("GET", "/me", None, family.access)
                    assert status == 401

    return Sessions


@pytest.mark.filterwarnings("ignore:.*:hypothesis.errors.HypothesisWarning")
async def test_no_order_of_steps_brings_a_dead_session_back(client, central, clock):
    made = await bootstrap(central.get(UNIT), central.get(ACCOUNTS))
    admin = {"identifier": made.username, "password": made.password}
    loop = asyncio.get_running_loop()

    async def send(method, path, body, token):
        headers = {"Authorization": f"Bearer {token}"} if token else None
        answer = await client.request(method, AUTH + path, json=body, headers=headers)
        return answer.status, await answer.json() if answer.status != 204 else None

    def call(method, path, body=None, token=None):
        return asyncio.run_coroutine_threadsafe(send(method, path, body, token), loop).result(30)

    checks = settings(
        max_examples=8,
        stateful_step_count=15,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run = machine(call, clock, admin)
    await asyncio.to_thread(run_state_machine_as_test, run, settings=checks)
