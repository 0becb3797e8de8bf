"""The conformance suite passes a good driver and fails a bad one."""

import contextlib
import socket

import pytest

from hub import Can, NoResponse
from hub.testing.driver_kit import DriverKit, FakeLink
from tests import toy

POINTS = [{"name": "v", "address": "1"}, {"name": "w", "address": "1", "writable": True}]


class TestToy(DriverKit):
    driver, session = toy.ToyDriver, toy.ToySession
    config = {  # noqa: RUF012
        "driver": "toy",
        "name": "c",
        "host": "127.0.0.1",
        "devices": [{"name": "m", "points": POINTS}],
    }
    writable = ("m.w", 2.0)

    @contextlib.asynccontextmanager
    async def peer(self):
        async with toy.peer(v=1, w=0) as device:
            yield {"port": device.port}

    def nobody(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return {"port": free.getsockname()[1]}


class Boasting(toy.ToyDriver):
    can = Can.READ | Can.OPERATE | Can.BROWSE


class Inventing(toy.ToySession):
    async def read(self, points):
        batch = await super().read(points)
        return type(batch).of([99], self.driver.link.now(), [1.0])


class InventingDriver(toy.ToyDriver):
    @contextlib.asynccontextmanager
    async def open(self):
        async with super().open() as session:
            session.__class__ = Inventing
            yield session


class Leaving(toy.ToyDriver):
    @classmethod
    def address(cls, spec, device):
        return 1


def kit(**more) -> TestToy:
    return type("Kit", (TestToy,), more)()


def test_a_capability_that_is_not_there_is_found():
    with pytest.raises(AssertionError):
        kit(driver=Boasting).test_can_says_exactly_what_the_session_overrides()


def test_an_address_that_is_not_checked_is_found():
    with pytest.raises(pytest.fail.Exception):
        kit(driver=Leaving).test_a_wrong_address_or_type_is_a_config_error()


async def test_an_invented_reading_is_found():
    with pytest.raises(AssertionError, match="not asked for"):
        await kit(
            driver=InventingDriver
        ).test_a_read_gives_rows_of_the_points_asked_for_and_of_now()


async def test_a_refusal_that_is_no_link_error_is_found():
    class Wrong(toy.ToyDriver):
        @contextlib.asynccontextmanager
        async def open(self):
            raise NoResponse
            yield

    with pytest.raises(NoResponse):
        await kit(driver=Wrong).test_when_nobody_is_there_opening_is_a_link_error()


def test_the_fake_link_shows_the_wire():
    link = FakeLink()
    link.wire("m", True, b"\x01")
    assert link.frames == [("m", True, b"\x01")]
