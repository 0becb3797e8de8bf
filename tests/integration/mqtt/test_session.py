"""The driver's session against a real broker."""

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import pytest

from drivers.mqtt.config import (
    AcrelConfig,
    AcrelDevice,
)
from drivers.mqtt.dialect import Publication
from drivers.mqtt.driver import MqttDriver
from drivers.mqtt.session import MqttSession
from hub import AuthError, ConfigError, LinkError, NoResponse, Outcome, ReadingBatch
from tests.integration.mqtt.conftest import Mosquitto, broker
from tests.unit.mqtt.kit import NOW, StubLink, command, points_of

ROWS = {
    "m1": [
        {"name": "voltage", "address": "$.data.voltage"},
        {"name": "relay", "address": "command:relay", "writable": True},
    ]
}
TOPIC = "acrel/north/meter/A1/data"


def config(port: int, **more: Any) -> AcrelConfig:
    given = {"client_id": "busbar-test", "request_timeout": 2.0} | more
    device = AcrelDevice(name="m1", id="A1", station="north")
    return AcrelConfig(name="acrel", host="127.0.0.1", port=port, devices=(device,), **given)


@asynccontextmanager
async def session(made: Any, rows: Any = ROWS) -> AsyncIterator[tuple[MqttSession, Any, StubLink]]:
    points, link = points_of(made, rows), StubLink()
    async with MqttDriver(made, points, link).open() as opened:
        yield opened, points, link


def payload(voltage: float, second: int = 0) -> bytes:
    return msgspec.json.encode(
        {"timestamp": f"2026-07-29T11:59:{second:02d}Z", "data": {"voltage": voltage}}
    )


async def collect(opened: MqttSession, count: int) -> list[float]:
    values: list[float] = []

    async def run() -> None:
        async for batch in opened.events():
            values.extend(batch.value.tolist())
            if len(values) >= count:
                return

    async with asyncio.timeout(20):
        await run()
    return values


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_readings_come_in_every_version_and_quality(
    mosquitto: Mosquitto, protocol: str, qos: int
) -> None:
    made = config(mosquitto.port, protocol=protocol, qos=qos)
    async with (
        session(made) as (opened, _, _),
        aiomqtt.Client("127.0.0.1", mosquitto.port) as meter,
    ):
        assert len(await opened.startup()) == 0
        for second in range(5):
            await meter.publish(TOPIC, payload(230 + second, second), qos=qos)
        assert await collect(opened, 5) == [230, 231, 232, 233, 234]


async def test_retained_values_are_the_image_at_start(mosquitto: Mosquitto) -> None:
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as meter:
        await meter.publish(TOPIC, payload(229.5), qos=1, retain=True)
    async with session(config(mosquitto.port)) as (opened, _, _):
        batch: ReadingBatch = await opened.startup()
    assert batch.value.tolist() == [229.5]
    assert batch.cause == "startup"


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_a_kept_session_brings_what_came_while_we_were_away(
    mosquitto: Mosquitto, protocol: str
) -> None:
    made = config(mosquitto.port, protocol=protocol)
    async with session(made) as (opened, _, _):
        await opened.startup()
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as meter:
        for second in range(20):
            await meter.publish(TOPIC, payload(second, second), qos=1)
    async with session(made) as (opened, _, _):
        batch = await opened.startup()
    assert sorted(batch.value.tolist()) == list(range(20))


async def test_messages_that_make_no_sense_are_counted_and_the_rest_goes_on(
    mosquitto: Mosquitto,
) -> None:
    async with (
        session(config(mosquitto.port)) as (opened, _, link),
        aiomqtt.Client("127.0.0.1", mosquitto.port) as meter,
    ):
        await opened.startup()
        for bad in (b"", b"not json", b"[1]", b'{"timestamp": 1}' * 30_000):
            await meter.publish(TOPIC, bad, qos=1)
        await meter.publish("acrel/north/meter/other/data", payload(1), qos=1)
        await meter.publish(TOPIC, payload(230), qos=1)
        assert await collect(opened, 1) == [230]
    assert opened.refused == 5
    assert len(link.warnings) == 5


async def test_a_burst_becomes_few_batches(mosquitto: Mosquitto) -> None:
    async with (
        session(config(mosquitto.port)) as (opened, _, _),
        aiomqtt.Client("127.0.0.1", mosquitto.port) as meter,
    ):
        await opened.startup()
        for n in range(2000):
            body = {"timestamp": NOW // 1000 - n, "data": {"voltage": n}}
            await meter.publish(TOPIC, msgspec.json.encode(body), qos=0)
        assert sorted(await collect(opened, 2000)) == list(range(2000))


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_a_command_reaches_the_meter_and_is_not_called_done(
    mosquitto: Mosquitto, protocol: str
) -> None:
    async with (
        session(config(mosquitto.port, protocol=protocol)) as (opened, points, _),
        aiomqtt.Client("127.0.0.1", mosquitto.port) as meter,
    ):
        await meter.subscribe("acrel/north/meter/A1/command", qos=1)
        result = await opened.operate(command(points[1], 0))
        assert result.outcome is Outcome.ACCEPTED
        async with asyncio.timeout(5):
            message = await anext(aiter(meter.messages))
    order = msgspec.json.decode(message.payload)
    assert (order["command"], order["command_id"]) == ("relay_off", "c-1")


async def test_an_expired_command_is_never_published(mosquitto: Mosquitto) -> None:
    async with (
        session(config(mosquitto.port)) as (opened, points, link),
        aiomqtt.Client("127.0.0.1", mosquitto.port) as meter,
    ):
        await meter.subscribe("#", qos=1)
        assert (await opened.operate(command(points[1], 0, -1))).outcome is Outcome.EXPIRED
        await meter.publish("end", b"")
        async with asyncio.timeout(5):
            message = await anext(aiter(meter.messages))
    assert message.topic.value == "end"
    assert not [note for sent, note, _ in link.traffic if sent]


async def test_a_broker_that_goes_away_is_a_link_error(mosquitto: Mosquitto) -> None:
    async with session(config(mosquitto.port)) as (opened, _, _):
        await opened.startup()
        reading = asyncio.create_task(collect(opened, 1))
        await asyncio.sleep(0.1)
        await mosquitto.stop()
        with pytest.raises(LinkError):
            await reading


async def test_after_a_broker_restart_nothing_that_it_had_is_lost(mosquitto: Mosquitto) -> None:
    made = config(mosquitto.port)
    async with session(made) as (opened, _, _):
        await opened.startup()
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as meter:
        for second in range(10):
            await meter.publish(TOPIC, payload(second, second), qos=1)
    await mosquitto.restart()
    async with session(made) as (opened, _, _):
        batch = await opened.startup()
        assert sorted(batch.value.tolist()) == list(range(10))
        async with aiomqtt.Client("127.0.0.1", mosquitto.port) as meter:
            await meter.publish(TOPIC, payload(99, 30), qos=1)
        assert await collect(opened, 1) == [99]


@asynccontextmanager
async def slowed(port: int, delay: Callable[[], float]) -> AsyncIterator[int]:
    """A wire to the broker that holds back what the broker says."""

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, slow: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(4096):
                await asyncio.sleep(delay() if slow else 0)
                sink.write(data)
                await sink.drain()

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        joined.append(asyncio.create_task(pump(reader, back, slow=False)))
        joined.append(asyncio.create_task(pump(there, writer, slow=True)))
        writers.extend((writer, back))

    joined: list[asyncio.Task[None]] = []
    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(join, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for task in joined:
            task.cancel()
        await asyncio.gather(*joined, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


async def test_a_slow_broker_delays_a_command_and_a_silent_one_leaves_it_unknown(
    mosquitto: Mosquitto,
) -> None:
    delay = 0.0
    async with slowed(mosquitto.port, lambda: delay) as port:
        made = config(port, request_timeout=0.5)
        async with aiomqtt.Client("127.0.0.1", mosquitto.port) as meter:
            await meter.subscribe("acrel/north/meter/A1/command", qos=1)
            async with session(made) as (opened, points, _):
                await opened.startup()
                delay = 0.2
                assert (await opened.operate(command(points[1], 0))).outcome is Outcome.ACCEPTED
                delay = 1.0
                with pytest.raises(LinkError):
                    await opened.operate(command(points[1], 1))
                with pytest.raises(NoResponse):
                    await opened.publish(Publication(topic="x", payload=b""))
            received = []
            async with asyncio.timeout(5):
                async for message in meter.messages:
                    assert isinstance(message.payload, bytes)
                    received.append(msgspec.json.decode(message.payload)["command"])
                    if len(received) == 2:
                        break
    assert received == ["relay_off", "relay_on"]


async def test_nobody_there_is_a_link_error() -> None:
    with pytest.raises(LinkError):
        async with session(config(1)):
            pass


async def test_wrong_passwords_are_an_auth_error(tmp_path: Path) -> None:
    if shutil.which("mosquitto_passwd") is None:
        pytest.skip("no mosquitto_passwd: apt-get install mosquitto")
    passwords = tmp_path / "passwords"
    await asyncio.to_thread(
        subprocess.run,
        ["mosquitto_passwd", "-b", "-c", str(passwords), "busbar", "right"],
        check=True,
    )
    passwords.chmod(0o644)
    extra = f"allow_anonymous false\npassword_file {passwords}"
    async with broker(tmp_path, extra) as running:
        for protocol in ("3.1.1", "5"):
            wrong = config(running.port, protocol=protocol, username="busbar", password="wrong")
            with pytest.raises(AuthError, match="refuses"):
                async with session(wrong):
                    pass
            right = config(running.port, protocol=protocol, username="busbar", password="right")
            async with session(right) as (opened, _, _):
                await opened.startup()


async def test_tls_with_client_certificates(tmp_path: Path) -> None:
    files = await asyncio.to_thread(certificates, tmp_path)
    extra = (
        f"listener PORT 127.0.0.1\ncafile {files['ca']}\ncertfile {files['server']}\n"
        f"keyfile {files['server_key']}\nrequire_certificate true"
    )
    async with broker(tmp_path, extra) as running:
        tls = {
            "ca": str(files["ca"]),
            "cert": str(files["client"]),
            "key": str(files["client_key"]),
        }
        async with session(config(running.port, **tls)) as (opened, _, _):
            context = ssl.create_default_context(cafile=tls["ca"])
            context.load_cert_chain(tls["cert"], tls["key"])
            await opened.startup()
            async with aiomqtt.Client("127.0.0.1", running.port, tls_context=context) as meter:
                await meter.publish(TOPIC, payload(230), qos=1)
            assert await collect(opened, 1) == [230]
        with pytest.raises(LinkError):
            async with session(config(running.port, ca=tls["ca"])):
                pass
        with pytest.raises(ConfigError, match="TLS files"):
            async with session(config(running.port, ca=str(tmp_path / "missing.pem"))):
                pass


def certificates(folder: Path) -> dict[str, Path]:
    """An authority, a server for 127.0.0.1 and a client, made for this test."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    authority = ec.generate_private_key(ec.SECP256R1())
    files: dict[str, Path] = {}
    for who in ("ca", "server", "client"):
        own = authority if who == "ca" else ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(who))
            .issuer_name(name("ca"))
            .public_key(own.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(who == "ca", None), True)
        )
        if who == "server":
            address = x509.IPAddress(ip_address("127.0.0.1"))
            builder = builder.add_extension(x509.SubjectAlternativeName([address]), False)
        certificate = builder.sign(authority, hashes.SHA256())
        files[who] = folder / f"{who}.pem"
        files[who].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files[f"{who}_key"] = folder / f"{who}.key"
        files[f"{who}_key"].write_bytes(
            own.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    return files
