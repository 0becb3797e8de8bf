"""Link, transport and application layers on octets alone."""

import numpy as np
import pytest

from drivers.dnp3.codec import crc, link, transport
from drivers.dnp3.codec.app import (
    Control,
    Fragment,
    Function,
    Iin,
    ObjectFault,
    all_objects,
    blocks,
    counted,
    indexed,
    ranged,
)
from drivers.dnp3.codec.attributes import Attribute, AttributeType, attributes
from drivers.dnp3.codec.commands import AnalogOutput, Crob, controls, encode
from drivers.dnp3.codec.link import Frame, FrameParser
from drivers.dnp3.codec.objects import GROUPS, Form, record, variation
from drivers.dnp3.codec.station import Station
from drivers.dnp3.codec.transport import Reassembler
from drivers.dnp3.codec.values import Columns, columns, encode_rows, one, static_block


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 79, 80, 81, 249, 250])
def test_blocks_are_sealed_the_same_alone_and_all_at_once(count: int) -> None:
    data = bytes(range(256))[:count]
    sealed = crc.seal(data)
    parts = [data[at : at + 16] for at in range(0, count, 16)]
    assert sealed == b"".join(part + crc.crc(part).to_bytes(2, "little") for part in parts)
    assert crc.unseal(sealed) == data
    assert len(sealed) == crc.sealed_size(count)


def test_the_checksum_has_its_published_check_value() -> None:
    assert crc.crc(b"123456789") == 0xEA82


@pytest.mark.parametrize("place", range(0, 282, 7))
def test_one_wrong_bit_is_noticed_wherever_it_is(place: int) -> None:
    sealed = bytearray(crc.seal(bytes(250)))
    sealed[place] ^= 1 << place % 8
    assert crc.unseal(bytes(sealed)) is None


def test_a_frame_carries_at_most_250_octets() -> None:
    with pytest.raises(ValueError, match="250"):
        link.encode(Frame(0xC4, 1, 2, bytes(251)))


def test_frames_are_found_in_rubbish_cut_anywhere() -> None:
    frames = [Frame(0x44, 1, 10, bytes([n]) * n) for n in range(0, 250, 49)]
    rubbish = b"\x05\x05\x64\x00" + bytes(range(40))
    stream = rubbish.join(link.encode(frame) for frame in frames)
    for size in (1, 2, 7, 50, len(stream)):
        parser, found = FrameParser(), []
        for at in range(0, len(stream), size):
            found += parser.feed(stream[at : at + size])
        assert found == frames


def test_a_frame_behind_a_broken_one_is_found_and_the_fault_is_told() -> None:
    faults: list[str] = []
    good = link.encode(Frame(0xC4, 10, 1, b"\xc0\xc0\x01\x3c\x02\x06"))
    for place in (2, 8, 12):
        bad = bytearray(good)
        bad[place] ^= 0x40
        assert len(FrameParser(faults.append).feed(bytes(bad) + good)) >= 1
    assert any("checksum" in fault for fault in faults)


def test_segments_come_together_again_and_count_modulo_64() -> None:
    fragment = bytes(range(256)) * 8
    whole = Reassembler(4096)
    cut = transport.segments(fragment, 60)
    assert [segment[0] & 0x3F for segment in cut] == [60, 61, 62, 63, 0, 1, 2, 3, 4]
    assert [whole.feed(segment) for segment in cut][-1] == fragment


def test_a_lost_doubled_or_foreign_segment_gives_no_fragment() -> None:
    cut = transport.segments(bytes(700), 0)
    for order, expected in (((0, 2), 0), ((1, 2), 0), ((0, 1, 1, 2), 1), ((0, 0, 1, 2), 1)):
        whole = Reassembler()
        done = [whole.feed(cut[n]) for n in order]
        assert sum(fragment is not None for fragment in done) == expected


def test_a_fragment_without_end_is_dropped_at_the_limit() -> None:
    whole = Reassembler(1000)
    for n in range(200):
        head = (transport.FIR if n == 0 else 0) | n & 0x3F
        assert whole.feed(bytes([head]) + bytes(249)) is None
    assert whole._size <= 1249


VECTORS = {
    "disable unsolicited": (
        "056411C40A000100 0615 C0C0153C02063C03063C0406 1A55",
        Frame(0xC4, 10, 1, octets("C0C0153C02063C03063C0406")),
    ),
    "confirm": ("056408C40A000100 FC42 C1D000 A350", Frame(0xC4, 10, 1, octets("C1D000"))),
    "clear restart": (
        "05640EC40A000100 2529 C2C102500100070700 C5AF",
        Frame(0xC4, 10, 1, octets("C2C102500100070700")),
    ),
    "integrity": (
        "056414C40A000100 8FED C3C2013C02063C03063C04063C0106 429E",
        Frame(0xC4, 10, 1, octets("C3C2013C02063C03063C04063C0106")),
    ),
    "link status": ("056405C90A000100 FEDA", Frame(0xC9, 10, 1)),
    "its answer": ("0564050B01000A00 6DED", Frame(0x0B, 1, 10)),
}


@pytest.mark.parametrize("name", VECTORS)
def test_frames_recorded_from_another_stack_are_made_and_read_alike(name: str) -> None:
    wire, frame = octets(VECTORS[name][0]), VECTORS[name][1]
    assert link.encode(frame) == wire
    assert FrameParser().feed(wire) == [frame]


def test_requests_recorded_from_another_stack_are_made_alike() -> None:
    def request(sequence: int, function: Function, objects: bytes = b"") -> bytes:
        return Fragment(Control(sequence), function, objects).encode()

    latch = encode([(300, Crob(3, 1, 100, 200))])
    assert latch == octets("0C0128010 02C0103016400 0000C800000000".replace(" ", ""))
    close = request(9, Function.SELECT, encode([(2, Crob(0x41, 2, 500, 0))]))
    assert close == octets("C9030C011701024102F4010000 0000000000")
    assert request(4, Function.RECORD_CURRENT_TIME) == octets("C418")
    assert request(2, Function.IMMEDIATE_FREEZE, all_objects(20, 0)) == octets("C207140006")
    assert counted(50, 3, 1) == octets("32030701")
    assert ranged(30, 0, 5, 300) == octets("1E000105002C01")
    assert encode([(3, AnalogOutput(12.5))])[-5:] == octets("0000484100")


def test_events_recorded_from_another_stack_are_read() -> None:
    data = octets(
        "E3811000 0202280100010001064CE3F9A101 33020701064CE3F9A101 02032801000200810000"
        " 2008280100070001 0000000000002440 064CE3F9A101".replace(" ", "")
    )
    fragment = Fragment.parse(data)
    assert fragment.control.confirm
    assert fragment.iin == Iin.NEED_TIME
    found = list(fragment.blocks())
    assert [str(block.variation) for block in found] == ["g2v2", "g51v2", "g2v3", "g32v8"]
    time = int.from_bytes(octets("064CE3F9A101"), "little")
    analog = columns(found[3])
    assert analog.value is not None
    assert analog.time is not None
    assert (analog.index.tolist(), analog.value.tolist(), analog.time.tolist()) == (
        [7],
        [10.0],
        [time],
    )
    assert columns(found[2]).relative


@pytest.mark.parametrize(
    ("data", "iin"),
    [
        ("1E05", Iin.PARAMETER_ERROR),
        ("FF0106", Iin.OBJECT_UNKNOWN),
        ("1E630006", Iin.OBJECT_UNKNOWN),
        ("1E05000500", Iin.PARAMETER_ERROR),
        ("1E0500000101", Iin.PARAMETER_ERROR),
        ("1E0509FFFFFFFF00", Iin.PARAMETER_ERROR),
        ("1E0529FFFFFFFF00", Iin.PARAMETER_ERROR),
        ("010109FFFFFFFF", Iin.PARAMETER_ERROR),
        ("46055B02FFFF", Iin.PARAMETER_ERROR),
        ("00FC09FFFFFFFF01", Iin.PARAMETER_ERROR),
        ("1E051A00", Iin.PARAMETER_ERROR),
        ("1E00000000", Iin.OBJECT_UNKNOWN),
    ],
)
def test_objects_that_cannot_be_are_refused_with_the_right_indication(data: str, iin: Iin) -> None:
    with pytest.raises(ObjectFault) as fault:
        list(blocks(octets(data), Function.RESPONSE))
    assert fault.value.iin == iin


def test_a_hostile_count_in_a_request_is_not_expanded() -> None:
    [block] = blocks(octets("1E0009FFFFFFFF"), Function.READ)
    assert block.count == 0xFFFFFFFF
    assert block.data == b""


def test_every_variation_of_the_table_survives_a_round_trip() -> None:
    index = np.arange(7, dtype=np.uint32)
    for group in GROUPS.values():
        for number in group.layouts:
            entry = variation(group.number, number)
            assert entry is not None
            if group.point is None or entry.form not in {Form.FIXED, Form.PACKED}:
                continue
            value = np.array([0, 1, 1, 0, 1, 0, 1], np.float64)
            flags = np.full(7, 1, np.uint8)
            time = None
            if entry.has("time_low"):
                time = np.arange(7, dtype=np.int64) + 1_700_000_000_000
            cols = Columns(index, value, flags, time)
            [block] = blocks(static_block(entry, cols), Function.RESPONSE)
            read = columns(block)
            assert read.index.tolist() == index.tolist(), entry
            if read.value is not None and not entry.has("code"):
                assert read.value.tolist() == value.tolist(), entry
            if time is not None:
                assert read.time is not None
                assert read.time.tolist() == time.tolist(), entry


def test_a_value_beyond_its_variation_is_clamped_and_flagged() -> None:
    entry = variation(30, 2)
    assert entry is not None
    for value, kept in ((40_000.0, 32_767), (-40_000.0, -32_768), (float("nan"), 0)):
        row = np.frombuffer(encode_rows(entry, one(0, value)), record(entry))[0]
        assert (row["value"], row["flags"]) == (kept, 0x21)
    counter = variation(20, 2)
    assert counter is not None
    row = np.frombuffer(encode_rows(counter, one(0, 65_537.0)), record(counter))[0]
    assert (row["value"], row["flags"]) == (1, 0x01)


def test_controls_keep_every_field() -> None:
    wanted = [(1, Crob(0x81, 3, 250, 750, 4)), (2, AnalogOutput(-5, 1)), (3, AnalogOutput(6, 1))]
    found = [row for block in blocks(encode(wanted), Function.SELECT) for row in controls(block)]
    assert found == wanted


@pytest.mark.parametrize(
    "item",
    [
        Attribute(252, "maker"),
        Attribute(240, 2048, AttributeType.UNSIGNED),
        Attribute(220, -4, AttributeType.SIGNED),
        Attribute(217, 1.5, AttributeType.FLOAT),
        Attribute(255, ((240, False), (252, True)), AttributeType.LIST),
        Attribute(211, b"\1\2", AttributeType.OCTETS),
    ],
)
def test_a_device_attribute_keeps_its_type(item: Attribute) -> None:
    data = ranged(0, item.variation, 0, 0) + item.encode()
    [block] = blocks(data, Function.RESPONSE)
    assert attributes(block) == [item]


def frame(function: int, *, fcb: bool = False, fcv: bool = False, data: bytes = b"") -> Frame:
    control = link.DIR | link.PRM | function
    return Frame(control | (link.FCB if fcb else 0) | (link.FCV if fcv else 0), 10, 1, data)


def test_the_link_answers_as_clause_9_demands() -> None:
    station = Station(10, master=False)
    segment = bytes([0xC0, 0xC0, 0x01])
    data = link.Primary.CONFIRMED_USER_DATA

    def reply(sent: Frame) -> int | None:
        found = FrameParser().feed(station.take(sent)[1])
        return found[0].function if found else None

    assert reply(frame(data, fcb=True, fcv=True, data=segment)) == link.Secondary.NACK
    assert reply(frame(link.Primary.RESET_LINK_STATES)) == link.Secondary.ACK
    first, again = frame(data, fcb=True, fcv=True, data=segment), frame(data, fcb=True, fcv=True)
    assert station.take(first)[0] is not None
    assert station.take(again)[0] is None
    assert reply(again) == link.Secondary.ACK
    assert reply(frame(link.Primary.TEST_LINK_STATES, fcv=True)) == link.Secondary.ACK
    assert reply(frame(link.Primary.REQUEST_LINK_STATUS)) == link.Secondary.LINK_STATUS
    assert reply(frame(7)) == link.Secondary.NOT_SUPPORTED


def test_frames_for_others_and_from_strangers_are_left_alone() -> None:
    station = Station(10, master=False, accepts=lambda source: source == 1)
    ask = frame(link.Primary.REQUEST_LINK_STATUS)
    assert station.take(Frame(ask.control, 11, 1)) == (None, b"")
    assert station.take(Frame(ask.control, 10, 2)) == (None, b"")
    assert station.take(Frame(ask.control, link.SELF, 1)) == (None, b"")
    assert station.take(Frame(ask.control & ~link.DIR, 10, 1)) == (None, b"")
    greedy = Station(10, master=False, self_address=True)
    assert greedy.take(Frame(ask.control, link.SELF, 1))[1]


def test_a_broadcast_is_delivered_and_never_answered() -> None:
    station = Station(10, master=False)
    user = frame(link.Primary.UNCONFIRMED_USER_DATA, data=bytes([0xC0, 0xC0, 0x02]))
    for address in link.BROADCASTS:
        delivery, reply = station.take(Frame(user.control, address, 1, user.data))
        assert delivery is not None
        assert (delivery.broadcast, reply) == (address, b"")


def test_a_peer_that_invents_addresses_costs_no_memory() -> None:
    station = Station(10, master=False)
    for source in range(5000):
        station.take(Frame(0xC4, 10, source, bytes([0x40, 1, 2])))
    assert len(station._peers) <= Station.MAX_PEERS


def test_indexes_above_255_use_two_octets_for_count_and_index() -> None:
    assert indexed(12, 1, [(256, b"x")])[2:7] == octets("2801000001")
    assert indexed(12, 1, [(255, b"x")])[2:5] == octets("1701FF")
