"""What the README says of the server's settings is what there is."""

from pathlib import Path

from drivers.modbus.exposed import ModbusServer, ModbusSettings, ShownRegister
from hub import Flag

README = (Path(__file__).parents[3] / "drivers" / "modbus" / "README.md").read_text()


def test_every_setting_of_a_server_is_named() -> None:
    for kind in (ModbusServer, ShownRegister):
        assert [f for f in kind.__struct_fields__ if f"`{f}`" not in README] == []
    assert [f"[[plugin.modbus.{f}]]" for f in ModbusSettings.__struct_fields__] == [
        "[[plugin.modbus.servers]]"
    ]
    assert "[[plugin.modbus.servers]]" in README


def test_bits_of_the_quality_word_are_as_told() -> None:
    for flag in Flag:
        assert f" {flag.value.bit_length() - 1} {flag.name}" in README.replace("\n", " ")
