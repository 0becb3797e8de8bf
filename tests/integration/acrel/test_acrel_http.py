"""The HTTP channel against the stand-in: what was missed, what is new, and commands."""

import contextlib
from datetime import UTC, datetime, timedelta

import pytest

from drivers.acrel_http.client import stamp
from drivers.acrel_http.config import AcrelHttpConfig, HttpAccess, HttpMeter
from drivers.acrel_http.driver import AcrelHttpDriver
from hub import AuthError, Command, LinkError, NoResponse, Outcome, Point, PointSpec
from tests.acrel_platform import SECRET, Platform

NOW = datetime.now(UTC).replace(microsecond=0)


class Quiet:
    """A link that nobody watches."""

    def now(self) -> int:
        return round(datetime.now(UTC).timestamp() * 1e6)

    def warn(self, device, message):
        pass

    def wire(self, device, sent, data, note=""):
        assert SECRET.encode() not in data + note.encode()


def values(minutes: int, voltage: float) -> dict:
    return {"timestamp": stamp(NOW - timedelta(minutes=minutes)), "data": {"voltage": voltage}}


@pytest.fixture
async def platform():
    async with Platform().running() as made:
        made.meters["A1"] = values(0, 230.0)
        made.history["A1"] = [values(n, 200.0 + n) for n in range(9, 0, -1)]
        yield made


@contextlib.asynccontextmanager
async def opened(platform, secret=SECRET, auth="hmac"):
    access = HttpAccess(url=platform.url, secret=secret, auth=auth, timeout=2)
    device = HttpMeter(name="m", id="A1")
    config = AcrelHttpConfig(name="a", access=access, devices=(device,), backfill=1)
    points = []
    for number, address in enumerate(("$.data.voltage", "command:relay")):
        spec = PointSpec(name=f"p{number}", address=address)
        parsed = AcrelHttpDriver.address(spec, device)
        points.append(Point(id=number, key=f"m.p{number}", device="m", spec=spec, address=parsed))
    async with AcrelHttpDriver(config, points, Quiet()).open() as session:
        yield session, points


@pytest.mark.parametrize("auth", ["hmac", "token"])
async def test_history_is_fetched_once_then_only_what_is_new(platform, auth):
    async with opened(platform, auth=auth) as (session, points):
        assert (await session.startup()).value.tolist() == [200.0 + n for n in range(9, 0, -1)]
        assert len(await session.startup()) == 0
        assert (await session.read(tuple(points))).value.tolist() == [230.0]
        assert len(await session.read(tuple(points))) == 0


async def test_a_command_is_accepted_refused_or_unknown(platform):
    async with opened(platform) as (session, points):
        later = round((datetime.now(UTC) + timedelta(minutes=1)).timestamp() * 1e6)
        command = Command(point=points[1], value=0, actor="a", expires=later, id="c-1")
        assert (await session.operate(command)).outcome is Outcome.ACCEPTED
        assert platform.commands[0][1]["command"] == "relay_off"
        platform.refusal = "sealed"
        assert (await session.operate(command)).outcome is Outcome.REJECTED
        platform.status = 500
        assert (await session.operate(command)).outcome is Outcome.UNKNOWN
        late = Command(point=points[1], value=0, actor="a", expires=1)
        assert (await session.operate(late)).outcome is Outcome.EXPIRED


async def test_a_wrong_secret_a_lost_meter_and_a_closed_port_are_told_apart(platform):
    with pytest.raises(AuthError):
        async with opened(platform, secret="not the secret"):
            pass
    async with opened(platform) as (session, points):
        del platform.meters["A1"]
        with pytest.raises(NoResponse):
            await session.read(tuple(points))
    platform.url = "http://127.0.0.1:1"
    with pytest.raises(LinkError):
        async with opened(platform):
            pass
