"""Quality, times, addresses, names, reports and plans: what octets mean to the hub."""

import math

import pytest

from drivers.iec61850 import address, naming, quality, reports
from drivers.iec61850.control import Order, application_error, control_value, parameters
from drivers.iec61850.mms import data
from drivers.iec61850.mms.data import BinaryTime, Bits, UtcTime
from drivers.iec61850.mms.pdu import ObjectName
from drivers.iec61850.mms.types import Type
from drivers.iec61850.model import BUFFERED, LogicalDevice, Model
from drivers.iec61850.naming import Unit
from drivers.iec61850.operate import order_value
from drivers.iec61850.plan import Rows, numeric, plan, readings, resolve
from drivers.iec61850.reports import Block
from drivers.iec61850.subscription import Subscription
from hub import (
    Cause,
    Command,
    ConfigError,
    Flag,
    Kind,
    Outcome,
    Point,
    PointSpec,
    ProtocolError,
    Stamp,
    Validity,
)

FLOAT = Type(data.FLOAT, 32)
Q, T = Type(data.BIT_STRING, -13), Type(data.UTC_TIME)


def struct(**fields: Type) -> Type:
    return Type(data.STRUCTURE, fields=fields)


MV = struct(mag=struct(f=FLOAT), q=Q, t=T)
NODE = struct(MX=struct(TotW=MV, PhV=struct(phsA=MV)), CF=struct(TotW=struct(db=FLOAT)))
MODEL = Model({"BAY1LD": LogicalDevice(domain="BAY1LD", nodes={"MMXU1": NODE})})


def point(number: int, text: str) -> Point:
    spec = PointSpec(name=f"p{number}", address=text)
    where = address.parse(text, "BAY1")
    return Point(id=number, key=spec.name, device="d", spec=spec, address=where)


def bits(*numbers: int) -> Bits:
    return Bits.of(*(n in numbers for n in range(13)))


@pytest.mark.parametrize(
    ("set_bits", "validity", "flags"),
    [
        ((), Validity.GOOD, Flag.NONE),
        ((0, 1), Validity.QUESTIONABLE, Flag.NONE),
        ((1,), Validity.INVALID, Flag.NONE),
        ((0,), Validity.INVALID, Flag.NONE),
        ((0, 1, 2), Validity.QUESTIONABLE, Flag.OVERRANGE),
        ((0, 1, 3), Validity.QUESTIONABLE, Flag.OVERRANGE),
        ((1, 5), Validity.INVALID, Flag.OSCILLATING),
        ((0, 1, 7), Validity.QUESTIONABLE, Flag.OLD),
        ((0, 1, 9), Validity.QUESTIONABLE, Flag.INACCURATE),
        ((10,), Validity.GOOD, Flag.SUBSTITUTED),
        ((11,), Validity.GOOD, Flag.TEST),
        ((12,), Validity.GOOD, Flag.BLOCKED),
        ((6,), Validity.QUESTIONABLE, Flag.NONE),
    ],
)
def test_every_quality_bit_reaches_the_reading(
    set_bits: tuple[int, ...], validity: Validity, flags: Flag
) -> None:
    assert quality.word(bits(*set_bits)) == int(validity) | int(flags)


def test_a_time_says_whether_its_clock_can_be_trusted() -> None:
    assert quality.stamp(UtcTime(1, 0x0A)) == Stamp.DEVICE
    assert quality.stamp(UtcTime(1, 0x20)) == Stamp.UNSYNCED
    assert quality.stamp(UtcTime(1, 0x40)) == Stamp.UNSYNCED
    assert quality.stamp(UtcTime(0, 0)) == Stamp.GATEWAY


def test_addresses_come_with_and_without_the_ied() -> None:
    short = address.parse("LD0/MMXU1.TotW.mag.f[MX]")
    assert (short.ied, short.device, short.path, short.fc) == (
        "",
        "LD0",
        ("TotW", "mag", "f"),
        "MX",
    )
    whole = address.parse("BAY1/LD0/MMXU1.TotW.mag.f[MX]")
    assert str(whole) == "BAY1/LD0/MMXU1.TotW.mag.f[MX]"
    assert whole.name("BAY1LD0") == ObjectName("MMXU1$MX$TotW$mag$f", "BAY1LD0")
    assert address.parse("LD0/A.B[ST]", "X").ied == "X"
    assert address.of_name(ObjectName("MMXU1$MX$TotW$q", "L")) == "L/MMXU1.TotW.q[MX]"


@pytest.mark.parametrize(
    "text", ["", "MMXU1.TotW[MX]", "LD0/MMXU1.TotW", "LD0/MMXU1.a..b[MX]", "LD0/MMXU1[MX]"]
)
def test_an_address_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="address"):
        address.parse(text)


def test_points_of_one_object_are_read_together_with_its_quality_and_time() -> None:
    points = [
        point(0, "LD/MMXU1.TotW.mag.f[MX]"),
        point(1, "LD/MMXU1.PhV.phsA.mag.f[MX]"),
        point(2, "LD/MMXU1.TotW.db[CF]"),
        point(3, "LD/MMXU1.Nix.mag.f[MX]"),
    ]
    targets = [resolve(MODEL, each) for each in points]
    assert targets[3] is None
    made = plan([t for t in targets if t], [3])
    assert [name.item for name in made.names] == [
        "MMXU1$MX$TotW",
        "MMXU1$MX$PhV$phsA",
        "MMXU1$CF$TotW$db",
    ]
    answers = [
        [[10.0], bits(0, 1, 7), UtcTime(5_000_000)],
        [[230.0], bits(), UtcTime(6_000_000, 0x20)],
        data.AccessError(3),
    ]
    batch = readings(made, answers, Rows(9_000_000, Cause.POLL, {}))
    assert list(batch.point) == [0, 1, 2, 3]
    assert list(batch.value[:2]) == [10.0, 230.0]
    assert list(batch.time) == [5_000_000, 6_000_000, 9_000_000, 9_000_000]
    assert list(batch.quality) == [
        Validity.QUESTIONABLE | Flag.OLD | Stamp.DEVICE,
        Stamp.UNSYNCED,
        Validity.INVALID,
        Validity.INVALID,
    ]


def test_a_poll_that_finds_the_same_stamp_tells_what_holds_now() -> None:
    seen: dict[int, int] = {}
    for now, expected in ((100, 50), (200, 200)):
        rows = Rows(now, Cause.POLL, seen)
        rows.add(1, 1.0, bits(), UtcTime(50))
        assert list(rows.batch().time) == [expected]
    rows = Rows(300, Cause.EVENT, seen)
    rows.add(1, 2.0, bits(), UtcTime(50))
    assert list(rows.batch().time) == [50]


def test_a_structure_of_another_shape_is_refused() -> None:
    target = resolve(MODEL, point(0, "LD/MMXU1.TotW.mag.f[MX]"))
    assert target is not None
    with pytest.raises(ProtocolError, match="structure"):
        readings(plan([target]), [[1.0]], Rows(1, Cause.POLL, {}))


def test_values_are_numbers_or_text() -> None:
    assert numeric(True) == (1.0, None)
    assert numeric(Bits(2, 2)) == (2.0, None)
    assert numeric(UtcTime(1_500_000)) == (1.5, None)
    assert numeric("on")[1] == "on"
    assert numeric(b"\x01\xff")[1] == "01ff"
    assert math.isnan(numeric([1])[0])


def report_values(*, included: tuple[int, ...], members: int = 3, **extra: object) -> list[object]:
    options = Bits.of(*(n in {1, 2, 3, 4, 6, 7, 8} for n in range(10)))
    shown = Bits.of(*(n in included for n in range(members)))
    values = [[[1.0 + n], bits(), UtcTime(1000 + n)] for n in included]
    reasons = [Bits.of(0, 1, 0, 0, 0, 0) for _ in included]
    head = ["id", options, 5, BinaryTime(0, 0), "LD/LLN0$ds", False, b"entry", 1]
    return [*head, shown, *values, *reasons]


def test_a_report_is_read_by_its_optional_fields() -> None:
    report = reports.decode(report_values(included=(0, 2)))
    assert report.included == (0, 2)
    assert (report.sequence, report.entry, report.revision) == (5, b"entry", 1)
    assert [value[0] for value in report.values] == [[1.0], [3.0]]
    assert len(report.reasons) == 2


@pytest.mark.parametrize("cut", range(1, 13))
def test_a_report_cut_anywhere_is_refused(cut: int) -> None:
    values = report_values(included=(0, 2))
    with pytest.raises(ProtocolError, match="report"):
        reports.decode(values[:cut] if cut < 13 else [*values, 1])


def test_a_report_with_too_much_is_refused() -> None:
    with pytest.raises(ProtocolError, match="too many"):
        reports.decode([*report_values(included=(0,)), 1])


def block() -> Block:
    name = ObjectName("LLN0$BR$rcb01", "BAY1LD")
    return Block(name=name, type=BUFFERED, values={"RptID": "id", "DatSet": "LD/LLN0$ds"})


def test_members_that_are_single_attributes_are_put_together() -> None:
    target = resolve(MODEL, point(7, "LD/MMXU1.TotW.mag.f[MX]"))
    assert target is not None
    parts = ("mag$f", "q", "t")
    members = [ObjectName(f"MMXU1$MX$TotW${part}", "BAY1LD") for part in parts]
    made = Subscription(block(), members, [target], MODEL)
    assert made.points == {7}
    flags = Bits.of(*[0] * 10)
    quality_only = reports.decode(["id", flags, Bits.of(0, 1, 0), bits(1)])
    assert len(made.readings(quality_only, 1, {})) == 0
    whole = reports.decode(["id", flags, Bits.of(1, 1, 1), 4.5, bits(), UtcTime(77)])
    batch = made.readings(whole, 1, {})
    assert (list(batch.value), list(batch.time)) == ([4.5], [77])
    worse = made.readings(quality_only, 2, {})
    assert list(worse.value) == [4.5]
    assert worse.quality[0] & 3 == Validity.INVALID


def test_a_report_of_another_block_or_data_set_is_not_taken() -> None:
    made = Subscription(block(), [], [], MODEL)
    assert made.accepts(reports.decode(report_values(included=())))
    other = reports.decode(["other", Bits.of(*[0] * 10), Bits(0, 0)])
    assert not made.accepts(other)


def test_an_application_error_becomes_an_outcome() -> None:
    told = application_error(["LD/X$CO$Pos", 1, [3, b""], 4, 10])
    assert told.result.outcome == Outcome.INTERLOCKED
    assert told.result.detail == "AddCause 10: blocked by interlocking"
    with pytest.raises(ProtocolError):
        application_error(["LD/X$CO$Pos", 1])


def test_a_control_structure_is_filled_by_names() -> None:
    kind = struct(ctlVal=Type(data.BOOLEAN), ctlNum=Type(data.UNSIGNED, 8), Test=Type(data.BOOLEAN))
    octets = parameters(kind, Order(value=True, time=0, number=9, test=True))
    assert data.items(octets, 0, len(octets)) == [[True, 9, True]]
    with pytest.raises(ProtocolError, match="unknown member 'New'"):
        parameters(struct(New=FLOAT), Order(value=1, time=0, number=1))
    assert control_value(struct(f=FLOAT), 2.5) == [2.5]
    assert control_value(struct(i=Type(data.INTEGER, 32), f=FLOAT), 2.6) == {"i": 3, "f": 2.6}


@pytest.mark.parametrize(
    ("kind", "point_kind", "value", "expected"),
    [
        (Type(data.BOOLEAN), Kind.DOUBLE, 2.0, True),
        (Type(data.BOOLEAN), Kind.DOUBLE, "open", False),
        (Type(data.BOOLEAN), Kind.DOUBLE, "on", True),
        (Type(data.BOOLEAN), Kind.BINARY, 0.0, False),
        (Type(data.BIT_STRING, 2), Kind.ANALOG, 2.0, 2),
        (Type(data.INTEGER, 32), Kind.ANALOG, "7", 7),
        (struct(f=FLOAT), Kind.ANALOG, 2.5, 2.5),
    ],
)
def test_a_command_becomes_the_value_of_the_control(
    kind: Type, point_kind: Kind, value: float | str, expected: object
) -> None:
    spec = PointSpec(name="p", address="LD/X1.Pos.stVal[ST]", kind=point_kind)
    target = Point(id=0, key="p", device="d", spec=spec, address=None)
    order = Command(point=target, value=value, actor="a", expires=1)
    assert order_value(order, kind) == expected
    with pytest.raises(ValueError, match="nonsense"):
        order_value(Command(point=target, value="nonsense", actor="a", expires=1), kind)


@pytest.mark.parametrize(
    ("node", "path", "name"),
    [
        ("MMXU1", ("PhV", "phsB", "cVal", "mag", "f"), "voltage.l2"),
        ("FdrMMXU12", ("TotW", "mag", "f"), "power.active.total"),
        ("MMXU1", ("Hz", "mag", "f"), "frequency"),
        ("XCBR1", ("Pos", "stVal"), "switch.position"),
        ("Q1XSWI1", ("Pos", "stVal"), "switch.position"),
        ("MMTR1", ("DmdWh", "actVal"), "energy.active.import.total"),
    ],
)
def test_objects_have_their_canonical_names(node: str, path: tuple[str, ...], name: str) -> None:
    found = naming.measurement(node, path)
    assert found is not None
    assert found.name == name


def test_an_angle_is_not_the_voltage() -> None:
    assert naming.measurement("MMXU1", ("PhV", "phsA", "cVal", "ang", "f")) is None


def test_units_of_the_device_become_the_canonical_ones() -> None:
    energy = naming.spec(
        "LD", "MMTR1", ("DmdWh", "actVal"), "ST", Type(data.INTEGER, 64), Unit(72, 6, 10.0), False
    )
    assert (energy.unit, energy.scale, energy.kind) == ("kWh", 10_000.0, Kind.COUNTER)
    other = naming.spec("LD", "GGIO1", ("AnIn1", "mag", "f"), "MX", FLOAT, Unit(29, 3), False)
    assert (other.unit, other.scale, other.measurement) == ("kV", 1.0, "")
