"""A gateway that tells its points to a real broker, as JSON and as a Sparkplug B edge node."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from config import Faults
from drivers import modbus, mqtt
from drivers.mqtt.sparkplug_payload import DataType, Metric, Payload, encode
from hub import SITE, Command, CommandDone, Outcome
from hub.kernel.app import JOURNAL, Hub
from hub.kernel.operator import OPERATOR
from simulators.modbus import Server, Unit
from tests.field import FIELD, field_unit
from tests.gateways import made, running
from tests.integration.mqtt.conftest import Mosquitto, broker
from tests.unit.mqtt.sparkplug_peer import payload_class
from tests.waiting import until

GATEWAY = """
[gateway]
name = "s7"
data_dir = "{folder}"
[api]
port = 0
[[plugin.mqtt.publishers]]
payload = "{payload}"
name = "up"
host = "127.0.0.1"
port = {broker}
points = ["bay.*"]
hold = 0.02
backoff = { first = 0.05, last = 0.2 }
{more}
"""
HOST = """
[[channels]]
driver = "mqtt-sparkplug"
name = "host"
host = "127.0.0.1"
port = {broker}
group = "plant"
client_id = "host"
backoff = { first = 0.05, last = 0.2 }
[[channels.devices]]
name = "seen"
node = "s7"
device = "bay"
points = [
  { name = "voltage", address = "voltage" },
  { name = "label", address = "name", kind = "text" },
  { name = "limit", address = "limit", writable = true },
  { name = "breaker", address = "breaker", kind = "binary", writable = true },
]
"""
LISTENS = "-/-/LISTENS"
WRITABLE = 'writable = ["bay.limit", "bay.breaker"]'
SPARKPLUG = 'group = "plant"\n' + WRITABLE


class Plant:
    def __init__(self, unit: Unit, hub: Hub, port: int) -> None:
        self.unit, self.hub, self.port = unit, hub, port
        self.said: list[tuple[str, bytes, bool]] = []

    def last(self, topic: str) -> Any:
        found = [payload for place, payload, _ in self.said if place == topic]
        return found[-1] if found else None

    def value(self, key: str) -> Any:
        body = self.last(f"busbar/s7/{key}")
        return json.loads(body)["value"] if body else None

    def topics(self, word: str = "") -> list[str]:
        return [topic for topic, _, _ in self.said if word in topic]

    def payloads(self, word: str) -> list[Any]:
        found = []
        for topic, body, _ in self.said:
            if f"/{word}/" in topic:
                peer = payload_class()()
                peer.ParseFromString(body)
                found.append(peer)
        return found

    def commands(self) -> list[CommandDone]:
        return self.hub.get(JOURNAL).of(CommandDone)  # type: ignore[attr-defined,no-any-return]

    def held(self, key: str) -> float:
        site = self.hub.get(SITE)
        batch = site.latest([site.points[key]])
        return float(batch.value[0]) if len(batch) else float("nan")

    async def publish(self, topic: str, payload: Any, **more: Any) -> None:
        async with aiomqtt.Client("127.0.0.1", self.port) as client:
            await client.publish(topic, payload, qos=1, **more)

    async def operate(self, key: str, value: float) -> Outcome:
        site = self.hub.get(SITE)
        command = Command(
            point=site.points[key], value=value, actor="anna", expires=site.now() + 5_000_000
        )
        return (await site.operate(command)).outcome


@contextlib.asynccontextmanager
async def listener(plant: Plant) -> AsyncIterator[None]:
    """Somebody else on the same broker, who comes again when the broker does."""

    async def run() -> None:
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                async with aiomqtt.Client("127.0.0.1", plant.port) as client:
                    await client.subscribe("#", qos=1)
                    plant.said.append((LISTENS, b"", False))
                    async for message in client.messages:
                        body = message.payload if isinstance(message.payload, bytes) else b""
                        plant.said.append((message.topic.value, body, message.retain))
            await asyncio.sleep(0.02)

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def plant(
    folder: Path, port: int, payload: str, more: str = "", extra: str = ""
) -> AsyncIterator[Plant]:
    unit = field_unit()
    async with Server({1: unit}) as field:
        file = (GATEWAY + FIELD + extra).replace("{payload}", payload).replace("{more}", more)
        file = file.replace("{broker}", str(port)).replace("{field}", str(field.port))
        heard = Plant(unit, None, port)  # type: ignore[arg-type]
        async with listener(heard), running(file, folder, modbus, mqtt) as heard.hub:
            yield heard
        await asyncio.sleep(0)


async def test_values_come_as_retained_json(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async with plant(tmp_path, mosquitto.port, "json") as site:
        await until(lambda: site.value("bay/voltage") == pytest.approx(230.1))
        body = json.loads(site.last("busbar/s7/bay/voltage"))
        assert body.pop("time") > 1_700_000_000_000_000
        assert body == {
            "value": pytest.approx(230.1), "unit": "V", "validity": "good", "flags": [],
        }  # fmt: skip
        await until(lambda: site.value("bay/name") == "incomer 3")
        await until(lambda: site.last("busbar/s7/status") == b"online")
        site.unit.image.set("voltage", 2400)
        await until(lambda: site.value("bay/voltage") == 240.0)
        site.unit.faults.silent = True
        await until(lambda: "comm_lost" in str(site.last("busbar/s7/bay/voltage")))
        assert json.loads(site.last("busbar/s7/bay/voltage"))["validity"] == "invalid"
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as later:
        await later.subscribe("busbar/s7/status")
        message = await anext(later.messages)
        assert (message.payload, message.retain) == (b"offline", True)


async def test_one_message_a_device_where_the_topic_names_no_point(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    more = 'topic = "plant/{gateway}/{device}"\nretain = false'
    async with plant(tmp_path, mosquitto.port, "json", more) as site:
        await until(lambda: site.last("plant/s7/bay"))
        site.unit.image.set("energy", 5)
        await until(lambda: json.loads(site.last("plant/s7/bay")).keys() == {"energy"})
        assert json.loads(site.last("plant/s7/bay"))["energy"]["value"] == 5


async def test_orders_by_json_are_commands_and_answered(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    async with plant(tmp_path, mosquitto.port, "json", WRITABLE) as site:
        await until(lambda: site.value("bay/limit") == 70)
        order = "busbar/s7/bay/limit/set"
        await site.publish(order, json.dumps({"value": 33, "id": "a1"}))
        await until(lambda: site.last(f"{order}/result"))
        answer = json.loads(site.last(f"{order}/result"))
        assert (answer["id"], answer["outcome"]) == ("a1", "done")
        await until(lambda: site.value("bay/limit") == 33)
        await site.publish("busbar/s7/bay/breaker/set", "true")
        await until(lambda: site.unit.image.read("co", 0, 1) == b"\1")
        await site.hub.get(OPERATOR).set_local(True)
        await site.publish(order, "50")
        await until(lambda: "local" in str(site.last(f"{order}/result")))
        assert [done.actor for done in site.commands()] == ["mqtt up", "mqtt up"]
        assert site.held("bay.limit") == 33


async def test_what_is_no_order_moves_nothing(
    mosquitto: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    retained = Plant(field_unit(), None, mosquitto.port)  # type: ignore[arg-type]
    await retained.publish("busbar/s7/bay/limit/set", "5", retain=True)
    async with plant(tmp_path, mosquitto.port, "json", WRITABLE) as site:
        await until(lambda: site.value("bay/limit") == 70)
        await until(lambda: "a retained order is not executed" in caplog.text)
        for payload in ("{", "null", '{"value": [1]}', '{"value": 1, "force": true}'):
            await site.publish("busbar/s7/bay/limit/set", payload)
        await site.publish("busbar/s7/bay/mode/set", "1")  # not among those that may be commanded
        await until(lambda: "no order" in caplog.text)
        await site.publish("busbar/s7/bay/limit/set", "71")
        await until(site.commands)
        assert [(c.key, c.outcome) for c in site.commands()] == [("bay.limit", Outcome.DONE)]


async def test_our_own_host_follows_an_edge_node_and_commands_it(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    async with plant(tmp_path, mosquitto.port, "sparkplug", SPARKPLUG, HOST) as site:
        await until(lambda: site.held("seen.voltage") == pytest.approx(230.1))
        site.unit.image.set("voltage", 2400)
        await until(lambda: site.held("seen.voltage") == 240.0)
        await until(lambda: site.held("seen.limit") == 70)
        assert await site.operate("seen.limit", 44.0) is Outcome.ACCEPTED
        await until(lambda: site.held("seen.limit") == 44.0)
        assert site.unit.image.read("hr", 20, 2) == (44).to_bytes(4, "big")
        assert await site.operate("seen.breaker", 1.0) is Outcome.ACCEPTED
        await until(lambda: site.held("seen.breaker") == 1.0)
        site.unit.faults.silent = True
        await until(lambda: site.held("seen.voltage") != 240.0)  # NaN: its device died
        assert site.topics("DDEATH") == ["spBv1.0/plant/DDEATH/s7/bay"]
        site.unit.faults.silent = False
        site.unit.image.set("voltage", 2300)
        await until(lambda: site.held("seen.voltage") == 230.0)


async def test_a_life_of_the_node_on_the_wire(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async with plant(tmp_path, mosquitto.port, "sparkplug", SPARKPLUG) as site:
        await until(lambda: site.payloads("DBIRTH"))
        await until(lambda: {m.name for m in site.payloads("DBIRTH")[-1].metrics})
        site.unit.image.set("voltage", 2222)
        await until(lambda: site.payloads("DDATA"))
        rebirth = Metric(name="Node Control/Rebirth", datatype=DataType.BOOLEAN, value=True)
        await site.publish("spBv1.0/plant/NCMD/s7", encode(Payload(metrics=(rebirth,))))
        await until(lambda: len(site.payloads("NBIRTH")) == 2)
        await until(lambda: len(site.payloads("DBIRTH")) >= 2)
        before = len(site.said)
        await mosquitto.stop()
        site.unit.image.set("voltage", 2111)
        await until(lambda: site.held("bay.voltage") == pytest.approx(211.1))
        await mosquitto.start()
        await until(lambda: LISTENS in [topic for topic, _, _ in site.said[before:]])
        for _ in range(40):  # its own births may have come before we listened
            await site.publish("spBv1.0/plant/NCMD/s7", encode(Payload(metrics=(rebirth,))))
            await asyncio.sleep(0.1)
            if any("/NBIRTH/" in topic for topic, _, _ in site.said[before:]):
                break
        await until(lambda: "/DBIRTH/" in site.said[-1][0] or "/DDATA/" in site.said[-1][0])
        newest = next(m for m in site.payloads("DBIRTH")[-1].metrics if m.name == "voltage")
        assert newest.double_value == pytest.approx(211.1)
    lives = [
        next(m.long_value for m in payload.metrics if m.name == "bdSeq")
        for payload in site.payloads("NBIRTH")
    ]
    assert lives[0] == lives[1] != lives[-1]
    _unbroken(site)


def _unbroken(site: Plant) -> None:
    """Every message of the node carries the next number; a birth begins again."""
    expected = None
    for topic, body, _ in site.said:
        word = topic.split("/")[2]
        if topic == LISTENS:
            expected = None
        if word in {"NBIRTH", "DBIRTH", "DDATA", "DDEATH"}:
            peer = payload_class()()
            peer.ParseFromString(body)
            assert expected is None or peer.seq == (0 if word == "NBIRTH" else expected)
            expected = (peer.seq + 1) % 256


async def test_wrong_credentials_are_told_and_the_rest_of_the_gateway_runs_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secrets = tmp_path / "secrets"
    secrets.write_text("")
    refusing = f"allow_anonymous false\npassword_file {secrets}"
    async with broker(tmp_path, refusing) as strict, Server({1: field_unit()}) as field:
        file = (GATEWAY + FIELD).replace("{payload}", "json").replace("{field}", str(field.port))
        file = file.replace("{more}", 'username = "u"\npassword = "p"')
        async with running(
            file.replace("{broker}", str(strict.port)), tmp_path, modbus, mqtt
        ) as hub:
            await until(lambda: "mqtt publisher up: the broker refuses us" in caplog.text)
            site = hub.get(SITE)
            await until(lambda: len(site.latest([site.points["bay.voltage"]])))
    assert caplog.text.count("refuses us") == 1


async def test_an_unknown_point_is_told_with_file_and_line(
    mosquitto: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with plant(tmp_path, mosquitto.port, "json", 'writable = ["bay.voltage"]') as site:
        await until(lambda: "no point with commands" in caplog.text)
        assert "gateway.toml:15: 'bay.voltage' is no point with commands" in caplog.text
        await until(lambda: site.held("bay.voltage") == pytest.approx(230.1))


@pytest.mark.parametrize(
    ("payload", "more", "fault"),
    [
        ("json", 'topic = "a/{meter}/{device}"', r"toml:7: .*\{meter\} is none of"),
        ("json", 'topic = "a/{point}"', r"needs \{device\}"),
        ("json", 'topic = "a/+/{device}"', "no topic to publish to"),
        ("json", 'command = "a/{device"', "expected '}'"),
        ("json", "clean = false", "keeps no session"),
        ("sparkplug", "", "'group' is missing"),
        ("sparkplug", 'group = "a/b"', "toml:15: .*regex"),
        ("protobuf", "", "Invalid value 'protobuf'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    tmp_path: Path, payload: str, more: str, fault: str
) -> None:
    file = (GATEWAY + FIELD).replace("{payload}", payload).replace("{more}", more)
    file = file.replace("{broker}", "1883").replace("{field}", "1502")
    with pytest.raises(Faults, match=fault):
        made(file, tmp_path, modbus, mqtt)
