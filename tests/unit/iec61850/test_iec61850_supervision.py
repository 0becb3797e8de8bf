"""GOOSE: frames, and the judgement of streams."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.iec61850 import goose
from drivers.iec61850.goose import GooseMessage, Vlan
from drivers.iec61850.mms import data
from drivers.iec61850.mms.data import UtcTime
from drivers.iec61850.supervision import Stream, Verdict
from hub import ProtocolError

BLOCK = "LD/LLN0$GO$gcb"


def message(state: int = 1, sequence: int = 0, **more: object) -> GooseMessage:
    values: dict[str, object] = {
        "source": bytes(6),
        "destination": bytes.fromhex("010ccd010001"),
        "appid": 1,
        "control_block": BLOCK,
        "data_set": "LD/LLN0$ds",
        "goose_id": "id",
        "ttl": 100,
        "time": UtcTime(1_000_000),
        "state": state,
        "sequence": sequence,
    }
    return GooseMessage(**(values | more))  # type: ignore[arg-type]


@given(
    st.integers(1, 2**32 - 1), st.integers(0, 2**32 - 1), st.booleans(), st.booleans(),
    st.one_of(st.none(), st.builds(Vlan, st.integers(0, 4095), st.integers(0, 7))),
)  # fmt: skip
def test_frames_come_back_in_both_encodings(
    state: int, sequence: int, simulation: bool, fixed: bool, vlan: Vlan | None
) -> None:
    sent = message(state, sequence, simulation=simulation, vlan=vlan)
    members = [data.boolean(True), data.float32(2.5)]
    got = goose.decode(goose.encode(sent, members, fixed=fixed))
    assert got is not None
    assert (got.state, got.sequence, got.simulation, got.vlan) == (
        state,
        sequence,
        simulation,
        vlan,
    )
    assert got.values == [True, 2.5]
    assert got.time == sent.time


@given(st.data())
def test_a_frame_with_wrong_octets_is_refused_or_read(draw: st.DataObject) -> None:
    frame = bytearray(goose.encode(message(), [data.boolean(True), data.float32(2.5)]))
    for _ in range(draw.draw(st.integers(1, 4))):
        frame[draw.draw(st.integers(0, len(frame) - 1))] = draw.draw(st.integers(0, 255))
    cut = draw.draw(st.integers(0, len(frame)))
    with contextlib.suppress(ProtocolError):
        goose.decode(bytes(frame[:cut]))


def test_a_member_count_that_lies_is_refused() -> None:
    frame = goose.encode(message(), [data.boolean(True)])
    with pytest.raises(ProtocolError, match="announces"):
        goose.decode(frame.replace(b"\x8a\x01\x01", b"\x8a\x01\x02"))


def test_a_stream_in_order_is_changed_then_repeated() -> None:
    stream = Stream(control_block=BLOCK)
    assert stream.take(message(1, 0), 0) == Verdict.CHANGED
    assert stream.take(message(1, 1), 10) == Verdict.REPEATED
    assert stream.take(message(2, 0), 20) == Verdict.CHANGED
    assert stream.lost == 0


def test_copies_and_stragglers_are_ignored() -> None:
    stream = Stream(control_block=BLOCK)
    stream.take(message(5, 3), 0)
    assert stream.take(message(5, 3), 1) == Verdict.OLD
    assert stream.take(message(5, 2), 1) == Verdict.OLD
    assert stream.take(message(4, 9), 1) == Verdict.OLD


def test_what_is_missing_between_numbers_is_counted() -> None:
    stream = Stream(control_block=BLOCK)
    stream.take(message(1, 0), 0)
    stream.take(message(1, 4), 1)
    assert stream.lost == 3
    stream.take(message(3, 1), 2)
    assert stream.lost == 3 + 2


def test_a_publisher_that_restarts_is_followed() -> None:
    stream = Stream(control_block=BLOCK)
    stream.take(message(77, 5), 0)
    assert stream.take(message(1, 0), 1) == Verdict.CHANGED
    assert stream.restarts == 1


def test_silence_beyond_the_time_to_live_expires_the_values() -> None:
    stream = Stream(control_block=BLOCK)
    stream.take(message(ttl=100), 0)
    assert not stream.expired(100_000)
    assert stream.expired(100_001)
    assert stream.take(message(1, 0), 200_000) == Verdict.CHANGED


def test_simulation_is_taken_only_when_allowed_and_then_alone() -> None:
    closed = Stream(control_block=BLOCK)
    assert closed.take(message(simulation=True), 0) == Verdict.SIMULATED
    allowed = Stream(control_block=BLOCK, accept_simulation=True)
    allowed.take(message(9, 0), 0)
    assert allowed.take(message(1, 0, simulation=True), 1) == Verdict.CHANGED
    assert allowed.take(message(10, 0), 2) == Verdict.OLD
    assert allowed.take(message(10, 0), 200_000) == Verdict.CHANGED


def test_another_revision_or_an_unfinished_configuration_is_not_used() -> None:
    stream = Stream(control_block=BLOCK, revision=3, data_set="LD/LLN0$ds")
    assert stream.take(message(revision=4), 0) == Verdict.FOREIGN
    assert stream.take(message(revision=3, data_set="other"), 0) == Verdict.FOREIGN
    assert stream.take(message(revision=3, needs_commissioning=True), 0) == Verdict.COMMISSIONING
    assert stream.take(message(revision=3), 0) == Verdict.CHANGED
