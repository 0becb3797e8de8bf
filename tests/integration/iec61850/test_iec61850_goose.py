"""GOOSE on a real interface: needs raw sockets."""

import asyncio
import math
import os
import socket
import subprocess
from collections.abc import Iterator

import pytest

from drivers.iec61850.ether import Ethernet
from drivers.iec61850.goose import GooseMessage, Vlan
from drivers.iec61850.goose_driver import Goose, GooseDevice, GooseDriver
from drivers.iec61850.mms import data
from drivers.iec61850.mms.data import Bits, UtcTime
from drivers.iec61850.publish import Publisher
from hub import Cause, ConfigError, Flag, Kind, Point, PointSpec, Stamp, Validity
from tests.integration.iec61850.hub_side import RecordingLink, rows

BLOCK = "BAY1CTRL/LLN0$GO$gcbPosition"
GOOD = data.bits(Bits(0, 13))
AT = UtcTime(1_700_000_000_250_000)


@pytest.fixture
def interfaces() -> Iterator[tuple[str, str]]:
    """Two ends of a virtual cable."""
    family = getattr(socket, "AF_PACKET", None)
    if family is None:
        pytest.skip("raw Ethernet sockets are Linux's")
    try:
        socket.socket(family, socket.SOCK_RAW, 0).close()
    except PermissionError:
        pytest.skip("no capability CAP_NET_RAW")
    one, other = f"gs{os.getpid() % 100000}a", f"gs{os.getpid() % 100000}b"
    add = ["ip", "link", "add", one, "type", "veth", "peer", "name", other]
    try:
        subprocess.run(add, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no virtual Ethernet pair here: {error}")
    for name in (one, other):
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
    yield one, other
    subprocess.run(["ip", "link", "del", one], check=True)


def message(**more: object) -> GooseMessage:
    values: dict[str, object] = {
        "source": bytes.fromhex("020000000001"),
        "destination": bytes.fromhex("010ccd010010"),
        "appid": 0x1000,
        "control_block": BLOCK,
        "data_set": "BAY1CTRL/LLN0$position",
        "goose_id": "BAY1/position",
        "ttl": 100,
        "time": AT,
        "state": 0,
        "sequence": 0,
        "vlan": Vlan(5),
    }
    return GooseMessage(**(values | more))  # type: ignore[arg-type]


def driver(interface: str, link: RecordingLink, **more: object) -> GooseDriver:
    specs = [
        PointSpec(name="position", address="0 q=1", kind=Kind.DOUBLE),
        PointSpec(name="current", address="2.0"),
    ]
    device = GooseDevice(name="bay", control_block=BLOCK, points=tuple(specs), **more)  # type: ignore[arg-type]
    config = Goose(name="goose", interface=interface, devices=(device,))
    points = [
        Point(id=n, key=s.name, device="bay", spec=s, address=GooseDriver.address(s, device))
        for n, s in enumerate(specs)
    ]
    return GooseDriver(config, points, link)


def members(position: int, current: float) -> list[bytes]:
    return [data.bits(Bits(position, 2)), GOOD, data.structure(data.float32(current))]


async def test_changes_arrive_and_silence_is_told(interfaces: tuple[str, str]) -> None:
    link = RecordingLink()
    async with driver(interfaces[1], link).open() as session:
        events = session.events()
        out = Ethernet(interfaces[0], lambda _: None)
        publisher = Publisher(out, message(), last=20)
        async with asyncio.timeout(5):
            publisher.publish(members(2, 12.5), AT)
            first = await anext(events)
            assert first.cause == Cause.EVENT
            assert rows(first) == {
                0: (2.0, AT.us, int(Stamp.DEVICE)),
                1: (12.5, AT.us, int(Stamp.DEVICE)),
            }
            publisher.publish(members(1, 0.0), AT)
            assert rows(await anext(events))[0][0] == 1.0
            await publisher.close()
            silent = await anext(events)
        out.close()
    value, _, quality = rows(silent)[0]
    assert silent.cause == Cause.LINK
    assert math.isnan(value)
    assert quality & 3 == Validity.INVALID
    assert quality & int(Flag.COMM_LOST)
    assert any("fell silent" in warning for warning in link.warnings)


async def test_simulated_messages_are_taken_only_when_asked_for(
    interfaces: tuple[str, str],
) -> None:
    link = RecordingLink()
    out = Ethernet(interfaces[0], lambda _: None)
    for take in (False, True):
        async with driver(interfaces[1], link, simulation=take).open() as session:
            publisher = Publisher(out, message(simulation=True))
            publisher.publish(members(2, 1.0), AT)
            events = session.events()
            if take:
                async with asyncio.timeout(5):
                    assert rows(await anext(events))[0][2] & int(Flag.TEST)
            else:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await anext(events)
            await publisher.close()
    out.close()


@pytest.mark.parametrize(
    ("error", "told"),
    [(PermissionError(1, "no"), "CAP_NET_RAW"), (OSError(19, "No such device"), "'nix': No such")],
)
async def test_what_is_missing_to_listen_is_named(
    monkeypatch: pytest.MonkeyPatch, error: OSError, told: str
) -> None:
    def refuse(name: str) -> int:
        raise error

    monkeypatch.setattr(socket, "if_nametoindex", refuse)
    with pytest.raises(ConfigError, match=told):
        async with driver("nix", RecordingLink()).open():
            pass


async def test_garbage_on_the_wire_is_refused_and_named(interfaces: tuple[str, str]) -> None:
    link = RecordingLink()
    async with driver(interfaces[1], link).open():
        out = Ethernet(interfaces[0], lambda _: None)
        head = bytes.fromhex("010ccd01001002000000000188b8")
        for body in (b"", b"\x10\x00\xff\xff\x00\x00\x00\x00", os.urandom(60)):
            out.send((head + body).ljust(60, b"\0"))
        await asyncio.sleep(0.1)
        out.close()
    assert any("GOOSE frame refused" in warning for warning in link.warnings)
