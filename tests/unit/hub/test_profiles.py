from pathlib import Path

import pytest

from config.lines import Lines
from hub import ConfigError, Kind, PointSpec
from hub.contract.measurements import measurements
from hub.kernel.profiles import Profile, parse

FILE = Path("acme/m1.toml")
HEAD = """\
code = "acme/m1"
manufacturer = "Acme"
model = "M1"
title = "Acme M1"
protocol = "modbus"
reference = "manual, revision 4"
"""
DEFAULTS = """
[defaults]
type = "float32"
word_order = "little"
"""


def good(text: str) -> Profile:
    profile, faults = parse(text, FILE)
    assert faults == []
    assert profile is not None
    return profile


def faults(text: str, file: Path = FILE) -> list[str]:
    return [str(fault) for fault in parse(text, file)[1]]


def rows(*points: str) -> str:
    return HEAD + "points = [\n" + "".join(f"  {{ {point} }},\n" for point in points) + "]\n"


def test_a_row_takes_unit_kind_type_order_and_source_from_around_it() -> None:
    profile = good(rows('name = "energy.active.import.total", address = "ir:72"') + DEFAULTS)
    assert profile.points == (
        PointSpec(
            name="energy.active.import.total",
            address="ir:72",
            type="float32",
            kind=Kind.COUNTER,
            measurement="energy.active.import.total",
            unit="kWh",
            word_order="little",
            source="manual, revision 4",
        ),
    )


def test_a_row_may_say_everything_itself() -> None:
    text = rows(
        'name = "U1", measurement = "voltage.l1", address = "hr:0", type = "uint16",'
        ' scale = 0.1, word_order = "big", source = "page 7"'
    )
    (point,) = good(text + DEFAULTS).points
    assert (point.measurement, point.unit, point.scale) == ("voltage.l1", "V", 0.1)
    assert (point.type, point.word_order, point.source) == ("uint16", "big", "page 7")


def test_a_command_becomes_a_writable_point() -> None:
    text = (
        rows('name = "relay.state", address = "di:0", type = "bool"')
        + '[[commands]]\nname = "relay"\nkind = "binary"\naddress = "co:0"\n'
        + 'values = { open = 0, close = 1 }\nfeedback = "relay.state"\n'
    )
    profile = good(text)
    control = profile.points[-1]
    assert (control.name, control.writable, control.is_switch) == ("relay", True, True)
    assert control.states == {"0": "open", "1": "close"}
    assert profile.commands[0].feedback == "relay.state"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (rows('name = "voltage.l1", address = "ir:0", colour = "red"'), "m1.toml:8: colour: "),
        (rows('name = "voltage.l1", address = 7'), "m1.toml:8: address: "),
        (rows('name = "bad name", address = "ir:0", description = "x"'), "m1.toml:8: name: "),
        (rows('name = "volts", address = "ir:0"'), "m1.toml:8: 'volts' names no measurement"),
        (
            rows('name = "v", measurement = "voltage.11", address = "ir:0"'),
            "m1.toml:8: unknown measurement 'voltage.11'; near: voltage.l1",
        ),
        (
            rows('name = "power.active.total", address = "ir:0", unit = "kW"'),
            "m1.toml:8: power.active.total is in 'W', not 'kW'",
        ),
        (
            rows('name = "frequency", address = "ir:0"', 'name = "frequency", address = "ir:2"'),
            "m1.toml:9: 'frequency' is already a point in line 8",
        ),
        (
            rows('name = "frequency", address = "ir:0", scale_from = "Hz_SF"'),
            "m1.toml:8: scale_from 'Hz_SF' is no point",
        ),
        (rows('name = "frequency", address = "ir:0", scale = 0'), "m1.toml:8: scale 0"),
        (HEAD.replace("acme/m1", "acme/m2"), "m1.toml:1: code 'acme/m2' is not the file's path"),
        (HEAD + 'colour = "red"\n', "m1.toml:7: colour: "),
        (HEAD.replace('reference = "manual, revision 4"', ""), "reference"),
        (HEAD, "no points"),
        (HEAD + "points = 3\n", "m1.toml:7: 'points' must be an array of tables"),
        (HEAD + "points = [\n", "not TOML"),
    ],
)
def test_a_fault_names_file_line_and_cause(text: str, message: str) -> None:
    found = faults(text)
    assert any(message in fault for fault in found), found


def test_all_faults_come_at_once_in_the_order_of_lines() -> None:
    text = rows(
        'name = "volts", address = "ir:0"',
        'name = "frequency", address = "ir:2", unit = "kHz"',
        'name = "frequency", address = "ir:4"',
    )
    assert [int(fault.split(":")[1]) for fault in faults(text)] == [8, 9, 10]


def test_lines_are_found_in_arrays_of_tables_too() -> None:
    text = HEAD + '\n[[points]]\nname = "frequency"\naddress = "ir:0"\n\n[[points]]\nname = "x"\n'
    found = faults(text)
    assert any(":12: " in fault and "`address`" in fault for fault in found), found


def test_writable_points_may_not_share_a_register() -> None:
    common = 'kind = "analog", writable = true, description = "set point"'
    text = rows(
        f'name = "a", address = "hr:10", type = "uint32", {common}',
        f'name = "b", address = "hr:11", type = "uint16", {common}',
        f'name = "c", address = "hr:12.0", type = "bool", {common}',
        f'name = "d", address = "hr:12.1", type = "bool", {common}',
    )
    (fault,) = faults(text)
    assert ":9: 'b' (hr:11) writes over 'a' (hr:10) of line 8" in fault


def test_feedback_must_be_a_point() -> None:
    text = rows('name = "frequency", address = "ir:0"') + (
        '[[commands]]\nname = "relay"\nkind = "binary"\naddress = "co:0"\nfeedback = "nothing"\n'
    )
    assert "m1.toml:14: feedback 'nothing' is no point" in faults(text)[0]


def test_the_driver_is_asked_about_every_address() -> None:
    asked = []

    def check(protocol: str, spec: PointSpec) -> None:
        asked.append((protocol, spec.address))
        if spec.address == "xx:1":
            raise ConfigError("no table 'xx'")

    text = rows('name = "frequency", address = "ir:0"', 'name = "voltage.l1", address = "xx:1"') + (
        '[[identify]]\naddress = "hr:9"\ntype = "uint16"\nequals = 3\n'
    )
    _, found = parse(text, FILE, check)
    assert sorted(asked) == [("modbus", "hr:9"), ("modbus", "ir:0"), ("modbus", "xx:1")]
    assert [str(fault) for fault in found] == ["acme/m1.toml:9: no table 'xx'"]


def test_lines_fall_back_to_the_nearest_thing_around() -> None:
    lines = Lines("a = 1\n[b]\nc = 2\nrows = [\n  { d = 1 },\n  { d = 2 },\n]\n")
    assert lines.nearest("b", "c") == 3
    assert lines.nearest("b", "rows", 1, "d") == 6
    assert lines.nearest("b", "rows", 1, "missing") == 6
    assert lines.nearest("nowhere") == 1


def test_measurements_have_one_name_one_unit_and_the_words_of_the_standards() -> None:
    known = measurements()
    assert all(name == each.name for name, each in known.items())
    assert known["voltage.l1"].iec61850 == "MMXU.PhV.phsA"
    assert known["power.active.total"].iec61850 == "MMXU.TotW"
    energy = known["energy.active.import.total"]
    assert (energy.unit, energy.kind, energy.iec61850) == ("kWh", Kind.COUNTER, "MMTR.DmdWh")
    assert energy.cim is not None
    assert (energy.cim.flow, energy.cim.accumulation) == ("forward", "cumulative")
    assert {e.kind for n, e in known.items() if n.startswith("energy.") and ".net." not in n} == {
        Kind.COUNTER
    }
