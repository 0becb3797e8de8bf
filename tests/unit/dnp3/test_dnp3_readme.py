"""What the README says of settings and commands is what there is."""

from pathlib import Path

import typer

from drivers.dnp3.cli import dnp3
from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.config import (
    Dnp3Device,
    Dnp3Listen,
    Dnp3Serial,
    Dnp3Settings,
    Dnp3Tcp,
    Dnp3Udp,
    ShownPoint,
    Slave,
)
from hub import ChannelConfig, DeviceConfig

README = (Path(__file__).parents[3] / "drivers" / "dnp3" / "README.md").read_text()
COMMON = {*ChannelConfig.__struct_fields__, *DeviceConfig.__struct_fields__, "devices"}


def test_every_setting_is_named() -> None:
    for kind in (Dnp3Device, Dnp3Listen, Dnp3Serial, Dnp3Tcp, Dnp3Udp):
        own = set(kind.__struct_fields__) - COMMON
        missing = {field for field in own if field not in README}
        assert not missing, f"{kind.__name__}: {missing}"
        assert kind is Dnp3Device or str(kind.__struct_config__.tag) in README


def test_every_setting_of_the_outstations_is_named() -> None:
    for kind in (Dnp3Settings, Slave, ShownPoint):
        missing = {field for field in kind.__struct_fields__ if f"`{field}`" not in README}
        assert not missing - {"outstations"}, f"{kind.__name__}: {missing}"
    assert "[[plugin.dnp3.outstations]]" in README


def test_every_kind_of_point_is_named() -> None:
    assert [kind for kind in PointType if f"`{kind}:" not in README] == []


def test_every_command_is_named() -> None:
    group = typer.main.get_command(dnp3)
    for name in group.commands:  # type: ignore[attr-defined]
        assert f"busbar dnp3 {name}" in README
