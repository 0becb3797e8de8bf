"""Bad octets never raise anything but a protocol error, never hang, never give a wrong value."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.dnp3.codec.app import Fragment, Function
from drivers.dnp3.codec.link import Frame, FrameParser, encode
from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.codec.station import Station
from drivers.dnp3.codec.transport import Reassembler, segments
from drivers.dnp3.master.measurements import Origin, reports
from drivers.dnp3.outstation import Database, Handler, Outstation, OutstationSettings
from drivers.dnp3.sniff import describe
from drivers.dnp3.trace import LAYERS, Explainer
from hub import ProtocolError

# Fragments that reach deep; hypothesis mutates them.
CORPUS = [
    "C0013C02063C03063C04063C0106",
    "C10250010007 0700",
    "C2030C011701024102F401000000000000 00",
    "C305290328010003000000484100",
    "C402320307013766E3F9A101",
    "C6193246035B01200 01A00060000000000000000000000000000000000000001000004000074657374 2E74",
    "C70102 0006",
    "C8011E0001000000FF",
    "C9163C04061E0006",
    "E38110000202280100010001064CE3F9A10133020701064CE3F9A10102032801000200810000",
    "C481000000FC0000000105 0548656C6C6F",
    "D0820000016E0017010568656C6C6F",
    "C00120053801050002140003",
    "C0816E05280100010061626364 65",
    "C0014605 5B01080001000000 00000000",
]
SEEDS = [bytes.fromhex(text.replace(" ", "")) for text in CORPUS]
FAST = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        action = draw(st.sampled_from(("set", "cut", "add", "double")))
        if action == "set" and data:
            data[place] = draw(st.integers(0, 255))
        elif action == "cut":
            del data[place : place + draw(st.integers(1, 4))]
        elif action == "add":
            data[place:place] = draw(st.binary(min_size=1, max_size=6))
        else:
            data += data[place:]
    return bytes(data[:2048])


fragments = st.one_of(st.binary(max_size=300), mutated())


@FAST
@given(st.lists(st.binary(max_size=400), max_size=6))
def test_the_frame_parser_eats_anything_and_keeps_little(chunks: list[bytes]) -> None:
    parser = FrameParser()
    for chunk in chunks:
        parser.feed(chunk)
    assert len(parser._buffer) <= 292
    good = Frame(0xC4, 10, 1, b"\xc0\xc0\x00")
    found = parser.feed(bytes(292) + encode(good))
    assert found[-1] == good


@FAST
@given(st.lists(st.binary(max_size=260), max_size=30))
def test_the_reassembler_eats_anything_and_recovers(parts: list[bytes]) -> None:
    whole = Reassembler(1024)
    for part in parts:
        whole.feed(part)
    fragment = bytes(range(200)) * 3
    done = [whole.feed(segment) for segment in segments(fragment, 9)]
    assert done[-1] == fragment


@FAST
@given(fragments)
def test_decoding_fails_only_in_the_ways_it_may(data: bytes) -> None:
    try:
        fragment = Fragment.parse(data)
    except ProtocolError:
        return
    describe(fragment)
    frame = encode(Frame(0x44, 1, 10, (b"\xc0" + data)[:250]))
    for text in Explainer(frozenset(LAYERS))(True, frame):
        assert isinstance(text, str)
    try:
        for report in reports(fragment, Origin.POLL):
            assert report is not None
    except ProtocolError:
        pass


@FAST
@given(fragments)
def test_what_is_decoded_claims_no_more_octets_than_there_are(data: bytes) -> None:
    try:
        fragment = Fragment.parse(data)
        found = list(fragment.blocks())
    except ProtocolError:
        return
    assert b"".join(block.raw for block in found) == fragment.objects


def plant() -> Outstation:
    database = Database(dict.fromkeys(PointType, range(20)))
    for point, table in database.tables.items():
        if point is not PointType.OS:
            database.load(point, np.zeros(len(table)), 0x01, 0)
    return Outstation(
        OutstationSettings(default_events=50), database, Handler(), lambda: 1_700_000_000_000
    )


@FAST
@given(st.lists(fragments, min_size=1, max_size=8))
def test_the_outstation_answers_anything_with_whole_fragments(stream: list[bytes]) -> None:
    outstation = plant()
    now = 0.0
    for data in stream:
        for answer in (*outstation.receive(data, now), *outstation.tick(now)):
            reply = Fragment.parse(answer)
            assert reply.function in {Function.RESPONSE, Function.UNSOLICITED_RESPONSE}
            assert len(answer) <= 2048
            list(reply.blocks())
        now += 1.0
    confirm = bytes([0xD0 | 0, 0x00])
    outstation.receive(confirm, now)
    outstation.tick(now + 100)
    outstation.receive(bytes([0xD1, 0x00]), now + 100)
    ask = bytes.fromhex("CF013C0106")
    answers = outstation.receive(ask, now + 101)
    answers += outstation.tick(now + 200)
    assert any(Fragment.parse(answer).function == Function.RESPONSE for answer in answers)


@FAST
@given(st.lists(fragments, max_size=5))
def test_a_station_survives_any_segments(parts: list[bytes]) -> None:
    station = Station(10, master=False, limit=2048)
    for part in parts:
        station.receive(encode(Frame(0xC4, 10, 1, part[:250])))
    deliveries, _ = station.receive(encode(Frame(0xC4, 10, 1, b"\xc0\xc0\x01\x3c\x02\x06")))
    assert deliveries[-1].data == b"\xc0\x01\x3c\x02\x06"
