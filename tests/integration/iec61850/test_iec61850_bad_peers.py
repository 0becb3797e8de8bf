"""Peers that lie, fall silent, die or want other credentials: never a hang, never an invention."""

import asyncio
import contextlib
import random
import ssl
import time
from pathlib import Path

import pytest

from drivers.iec61850 import ber
from drivers.iec61850.association import Options
from drivers.iec61850.config import Tls
from drivers.iec61850.control import ControlModel, Order
from drivers.iec61850.ied import Ied
from drivers.iec61850.mms import data, pdu
from drivers.iec61850.mms.pdu import ObjectName, Pdu
from drivers.iec61850.mms.types import Type
from hub import AuthError, ConfigError, HubError, LinkError, NoResponse, Outcome
from tests.integration.iec61850.certificates import certificate
from tests.integration.iec61850.scripted import Scripted

NAME = ObjectName("GGIO1$MX$AnIn1$mag$f", "LD")
QUICK = Options(connect_timeout=4.0, request_timeout=0.5)


def answer(found: Pdu, *values: bytes) -> bytes:
    assert found.invoke is not None
    return pdu.response(found.invoke, ber.tlv(0xA4, ber.tlv(0xA1, *values)))


def good(_: bytes, found: Pdu) -> bytes:
    return pdu.CONCLUDED if found.kind == pdu.CONCLUDE_REQUEST else answer(found, data.float32(1.5))


async def opened(peer: Scripted, options: Options = QUICK) -> Ied:
    return await Ied.open("127.0.0.1", peer.port, options)


@pytest.mark.parametrize(
    ("password", "error"), [("right", None), ("wrong", AuthError), (None, AuthError)]
)
async def test_the_password_of_the_association(
    password: str | None, error: type[HubError] | None
) -> None:
    async with Scripted(good, password="right").serve() as peer:
        options = Options(password=password, connect_timeout=2.0)
        if error is None:
            ied = await opened(peer, options)
            assert await ied.client.read_one(NAME) == 1.5
            await ied.close()
        else:
            with pytest.raises(error, match="authentication"):
                await opened(peer, options)


async def test_a_wire_trace_never_shows_the_password() -> None:
    seen: list[bytes] = []
    async with Scripted(good, password="secret-word").serve() as peer:
        options = Options(password="secret-word", connect_timeout=2.0)
        ied = await Ied.open(
            "127.0.0.1", peer.port, options, wire=lambda sent, octets: seen.append(octets)
        )
        await ied.close()
    assert len(seen) >= 4
    assert not any(b"secret-word" in octets for octets in seen)


async def test_nobody_listening_is_a_link_error() -> None:
    with pytest.raises(LinkError, match="cannot connect"):
        await Ied.open("127.0.0.1", 1, QUICK)


async def test_a_peer_that_says_nothing_at_all_is_given_up() -> None:
    done = asyncio.Event()

    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        done.set()

    server = await asyncio.start_server(nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(LinkError, match="in time"):
        await Ied.open("127.0.0.1", port, Options(connect_timeout=0.2))
    server.close()
    await done.wait()


async def test_a_request_without_an_answer_does_not_harm_the_next() -> None:
    silent = True

    def reply(message: bytes, found: Pdu) -> bytes | None:
        return b"" if silent else good(message, found)

    async with Scripted(reply).serve() as peer:
        ied = await opened(peer)
        with pytest.raises(NoResponse):
            await ied.client.read_one(NAME)
        silent = False
        assert await ied.client.read_one(NAME) == 1.5
        await ied.close()


async def test_an_answer_that_comes_too_late_is_not_given_to_another_request() -> None:
    held: list[bytes] = []

    def reply(_: bytes, found: Pdu) -> bytes | None:
        if found.kind == pdu.CONCLUDE_REQUEST:
            return pdu.CONCLUDED
        if not held:
            held.append(answer(found, data.float32(-1.0)))
            return b""
        return held[0]

    async with Scripted(reply).serve() as peer:
        ied = await opened(peer)
        with pytest.raises(NoResponse):
            await ied.client.read_one(NAME)
        with pytest.raises((NoResponse, LinkError)):
            await ied.client.read_one(NAME)
        ied.association.abort()


async def test_a_peer_that_closes_in_the_middle_of_a_read() -> None:
    async with Scripted(lambda *_: None).serve() as peer:
        ied = await opened(peer)
        with pytest.raises(LinkError, match="closed the connection"):
            await ied.client.read_one(NAME)
        with pytest.raises(LinkError):
            await ied.client.read_one(NAME)


async def test_a_link_that_dies_before_termination_is_unknown() -> None:
    def reply(_: bytes, found: Pdu) -> bytes:
        assert found.invoke is not None
        return pdu.response(found.invoke, b"\xa5\x02\x81\x00")

    kind = Type(
        data.STRUCTURE,
        fields={
            "Oper": Type(data.STRUCTURE, fields={"ctlVal": Type(data.BOOLEAN)}),
        },
    )
    async with Scripted(reply).serve() as peer:
        ied = await opened(peer)
        order = Order(value=True, time=int(time.time() * 1e6), number=1)
        target = ObjectName("CSWI1$CO$Pos", "LD")
        asyncio.get_running_loop().call_later(0.1, ied.association.abort)
        result = await ied.controls.operate(target, kind, ControlModel.DIRECT_ENHANCED, order)
        assert result.outcome == Outcome.UNKNOWN


async def test_a_message_larger_than_agreed_ends_the_link() -> None:
    def reply(_: bytes, found: Pdu) -> bytes:
        return answer(found, *([data.octets(bytes(1000))] * 80))

    async with Scripted(reply).serve() as peer:
        ied = await opened(peer)
        with pytest.raises(HubError, match="more than"):
            await ied.client.read_one(NAME)


async def test_a_request_larger_than_the_device_takes_is_split() -> None:
    asked: list[int] = []

    def reply(message: bytes, found: Pdu) -> bytes:
        if found.kind == pdu.CONCLUDE_REQUEST:
            return pdu.CONCLUDED
        asked.append(len(message))
        count = message.count(b"GGIO1")
        return answer(found, *[data.float32(2.0)] * count)

    peer = Scripted(reply)
    peer.detail = 500
    async with peer.serve():
        ied = await opened(peer)
        assert await ied.client.read([NAME] * 40) == [2.0] * 40
        assert max(asked) <= 500 + 20
        assert len(asked) > 2
        await ied.close()


async def test_no_more_requests_are_under_way_than_agreed() -> None:
    waiting: list[Pdu] = []
    most = 0

    def reply(_: bytes, found: Pdu) -> bytes | None:
        nonlocal most
        if found.kind == pdu.CONCLUDE_REQUEST:
            return pdu.CONCLUDED
        waiting.append(found)
        most = max(most, len(waiting))
        if len(waiting) == peer.called:
            peer.say(*(answer(each, data.float32(1.5)) for each in waiting))
            waiting.clear()
        return b""

    peer = Scripted(reply)
    peer.called = 3
    async with peer.serve():
        ied = await opened(peer)
        assert await asyncio.gather(*(ied.client.read_one(NAME) for _ in range(30))) == [1.5] * 30
        assert most == 3
        await ied.close()


@pytest.mark.parametrize(
    "octets",
    [
        b"\xa1\x03\x02\x01\x01",
        b"\xa1\x06\x02\x01\x01\xa4\x82\xff",
        b"\xa9\x00",
        b"\x00\x00",
        b"\xa4\x00",
    ],
)
async def test_octets_that_are_no_answer_end_the_link(octets: bytes) -> None:
    async with Scripted(lambda *_: octets).serve() as peer:
        ied = await opened(peer)
        with pytest.raises(HubError):
            await ied.client.read_one(NAME)
        assert not ied.association.alive


async def test_mutated_answers_are_values_or_errors_of_the_hub() -> None:
    chance = random.Random(61850)
    whole = data.structure(
        data.structure(data.float32(1.5)),
        data.bits(data.Bits(0, 13)),
        data.utc_time(data.UtcTime(5)),
    )

    def reply(_: bytes, found: Pdu) -> bytes:
        octets = bytearray(answer(found, whole, whole))
        for _ in range(chance.randint(1, 3)):
            octets[chance.randrange(len(octets))] = chance.randrange(256)
        return bytes(octets)

    async with Scripted(reply).serve() as peer:
        for _ in range(150):
            ied = await opened(peer, Options(connect_timeout=2.0, request_timeout=0.05))
            try:
                values = await ied.client.read([NAME, NAME])
                assert len(values) == 2
            except HubError:
                pass
            ied.association.abort()


async def test_random_reports_do_not_end_the_link() -> None:
    chance = random.Random(7)
    report = ber.tlv(
        0xA3,
        ber.tlv(0xA0, b"\xa1\x05\x80\x03RPT", ber.tlv(0xA0, data.visible("r"), data.boolean(True))),
    )
    strays: list[str] = []

    def reply(_: bytes, found: Pdu) -> bytes:
        return report if chance.random() < 0.9 else answer(found, data.float32(1.5))

    async with Scripted(reply).serve() as peer:
        ied = await opened(peer)
        ied.on_stray = strays.append
        for _ in range(20):
            with contextlib.suppress(NoResponse, LinkError):
                await ied.client.read_one(NAME)
        assert any("optional fields" in stray for stray in strays)
        ied.association.abort()


async def test_a_device_that_repeats_its_names_for_ever_is_stopped() -> None:
    def reply(_: bytes, found: Pdu) -> bytes:
        assert found.invoke is not None
        names = ber.tlv(0xA0, ber.text(0x1A, "LD"))
        return pdu.response(found.invoke, ber.tlv(0xA1, names, b"\x81\x01\x01"))

    async with Scripted(reply).serve() as peer:
        ied = await opened(peer)
        with pytest.raises(HubError, match="repeats its list"):
            await ied.discover()
        ied.association.abort()


async def test_tls_proves_both_sides(tmp_path: Path) -> None:
    authority = certificate(tmp_path, "ca", None)
    certificate(tmp_path, "ied", authority)
    certificate(tmp_path, "hub", authority)
    certificate(tmp_path, "stranger", None)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "ied.pem", tmp_path / "ied.key")
    server.load_verify_locations(tmp_path / "ca.pem")
    server.verify_mode = ssl.CERT_REQUIRED

    def context(ca: str, name: str) -> ssl.SSLContext:
        files = [str(tmp_path / part) for part in (f"{ca}.pem", f"{name}.pem", f"{name}.key")]
        return Tls(ca=files[0], certificate=files[1], key=files[2]).context()

    async with Scripted(good).serve(server) as peer:
        ied = await Ied.open("127.0.0.1", peer.port, QUICK, tls=context("ca", "hub"))
        assert await ied.client.read_one(NAME) == 1.5
        await ied.close()
        for ca, name in (("stranger", "hub"), ("ca", "stranger")):
            with pytest.raises(LinkError):
                await Ied.open("127.0.0.1", peer.port, QUICK, tls=context(ca, name))
    with pytest.raises(ConfigError, match="nix"):
        Tls(ca=str(tmp_path / "nix")).context()
