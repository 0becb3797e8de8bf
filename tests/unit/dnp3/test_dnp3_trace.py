"""Octets in words: pieces are put together, faults are named, each direction by itself."""

from drivers.dnp3.codec.app import Control, Fragment, Function, Iin, all_objects
from drivers.dnp3.codec.link import Frame, encode
from drivers.dnp3.codec.objects import variation
from drivers.dnp3.codec.station import Station
from drivers.dnp3.codec.values import one, static_block
from drivers.dnp3.driver import Dnp3Driver
from drivers.dnp3.trace import LAYERS, Explainer

ENTRY = variation(30, 5)
assert ENTRY is not None
READ = Fragment(Control(3), Function.READ, all_objects(60, 1)).encode()
ANSWER = Fragment(
    Control(3, confirm=True),
    Function.RESPONSE,
    b"".join(static_block(ENTRY, one(n, 1.5)) for n in range(60)),
    Iin.NEED_TIME,
).encode()
ASK = Station(1, master=True).send(READ, 10)
REPLY = Station(10, master=False).send(ANSWER, 1)


def test_every_layer_is_told_from_the_octets_up() -> None:
    lines = Explainer(frozenset(LAYERS))(True, ASK)
    assert lines == [
        ASK.hex(" "),
        "link 1 → 10 UNCONFIRMED_USER_DATA 6 octets",
        "transport 0 FIR FIN 5 octets",
        "application 3 READ FIR FIN",
        "  g60v1 qualifier=6",
    ]


def test_a_fragment_is_told_whole_wherever_the_line_cut_it() -> None:
    whole = Explainer(frozenset({"application", "objects"}))(False, REPLY)
    assert whole[0] == "application 3 RESPONSE FIR FIN CON [NEED_TIME]"
    assert len(whole) == 61
    explain = Explainer(frozenset({"application", "objects"}))
    pieces = [explain(False, REPLY[at : at + 7]) for at in range(0, len(REPLY), 7)]
    assert not any(pieces[:-1])
    assert pieces[-1] == whole


def test_the_two_directions_do_not_disturb_each_other() -> None:
    explain = Explainer(frozenset({"application"}))
    assert explain(False, REPLY[:100]) == []
    assert explain(True, ASK) == ["application 3 READ FIR FIN"]
    assert explain(False, REPLY[100:]) == ["application 3 RESPONSE FIR FIN CON [NEED_TIME]"]


def test_what_is_wrong_is_named() -> None:
    broken = bytearray(ASK)
    broken[-1] ^= 1
    explain = Explainer(frozenset({"link"}))
    assert any("! wrong checksum" in line for line in explain(True, bytes(broken)))
    lost = encode(Frame(0x44, 1, 10, b"\x82abc"))
    assert "! transport segment without a first one" in Explainer(frozenset(LAYERS))(False, lost)


def test_the_driver_says_what_it_can_tell() -> None:
    assert set(Dnp3Driver.layers) < set(LAYERS)
    assert list(Dnp3Driver.explainer(frozenset({"application"}))(True, ASK)) == [
        "application 3 READ FIR FIN"
    ]
