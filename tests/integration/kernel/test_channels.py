"""Channels out of the file: every fault at once, each with its line."""

from types import SimpleNamespace

import pytest

import config
from hub import NotFound, PointSpec
from hub.kernel.channels import decode
from tests import toy

PLUGINS = {"toy": toy.hub_plugin()}


class Shelf:
    def find(self, code: str):
        if code != "acme/m1":
            raise NotFound(f"no profile is called {code!r}")
        return SimpleNamespace(
            points=(PointSpec(name="v", address="1"), PointSpec(name="w", address="2"))
        )


def plans(tmp_path, text: str):
    path = tmp_path / "g.toml"
    path.write_text(text)
    settings = config.load(path)
    return decode(settings.channels, PLUGINS, Shelf(), settings.origin)


def faults(tmp_path, text: str) -> list[str]:
    with pytest.raises(config.Faults) as caught:
        plans(tmp_path, text)
    return [line.removeprefix(f"{tmp_path}/g.toml:") for line in caught.value.lines]


HEAD = "[[channels]]\ndriver = 'toy'\nname = 'c'\nhost = 'h'\nport = 1\n"


def test_points_come_from_the_profile_and_the_file_replaces_or_adds(tmp_path):
    (plan,) = plans(
        tmp_path,
        HEAD
        + "record = 'change'\n[[channels.devices]]\nname = 'd'\nprofile = 'acme/m1'\nevery = 2.0\n"
        + "points = [{ name = 'w', address = '9', every = 5.0 }, { name = 'x', address = '3' }]\n",
    )
    assert [(p.key, p.address, p.every) for p in plan.points] == [
        ("d.v", 1, 2.0),
        ("d.w", 9, 5.0),
        ("d.x", 3, 2.0),
    ]
    assert plan.record("d") == "change"
    assert [(e.device, e.spec.name, e.profile, e.driver) for e in plan.catalogue()] == [
        ("d", "v", "acme/m1", "toy"),
        ("d", "w", "acme/m1", "toy"),
        ("d", "x", "acme/m1", "toy"),
    ]


def test_a_disabled_device_is_checked_but_not_polled(tmp_path):
    (plan,) = plans(
        tmp_path, HEAD + "[[channels.devices]]\nname='d'\nenabled=false\nprofile='acme/m1'\n"
    )
    assert (plan.points, plan.idle) == ((), ("d",))


def test_every_fault_of_every_channel_is_told_at_once_with_its_line(tmp_path):
    text = (
        HEAD  # 1-5
        + "prot = 7\n"  # 6
        + "[[channels]]\ndriver = 'toi'\nname = 'x'\n"  # 7-9
        + HEAD.replace("'c'", "'e'")  # 10-14
        + "[[channels.devices]]\nname = 'd'\npoints = [\n"  # 15-17
        + "  { name = 'a', address = 'one' },\n"  # 18
        + "  { name = 'b', address = '1', type = 'colour' },\n"  # 19
        + "  { name = 'g', address = '1' },\n"  # 20
        + "  { name = 'g', address = '2' },\n]\n"  # 21-22
        + "[[channels.devices]]\nname = 'd'\nprofile = 'acme/none'\n"  # 23-25
        + "[[channels.devices]]\nname = 'empty'\n"  # 26-27
    )
    assert faults(tmp_path, text) == [
        "6: channels[0].prot: unknown key 'prot': did you mean 'port'?",
        "8: channels[1].driver: no driver is called 'toi': did you mean 'toy'?",
        "18: channels[2].devices[0].points[0]: point d.a: address 'one' is not a number",
        "19: channels[2].devices[0].points[1]: point d.b: type 'colour' is not known: use float",
        "21: channels[2].devices[0].points[3].name: a second point is called 'g': rename one",
        "24: channels[2].devices[1].name: a second device is called 'd': rename one",
        "25: channels[2].devices[1].profile: no profile is called 'acme/none'",
        "26: channels[2].devices[2]: device 'empty' has neither a profile nor points: give one",
    ]


def test_overlapping_writable_addresses_are_told_at_the_point(tmp_path):
    text = (
        HEAD
        + "[[channels.devices]]\nname = 'd'\npoints = [{ name = 'a', address = '1' }]\n"
        + "[[channels.devices]]\nname = 'e'\npoints = [\n"
        + "  { name = 'a', address = '1', writable = true },\n]\n"
    )
    assert faults(tmp_path, text) == [
        "12: channels[0].devices[1].points[0]: e.a writes what d.a writes: keep one"
    ]


def test_two_channels_of_one_name_and_a_missing_driver_are_told(tmp_path):
    assert faults(tmp_path, HEAD + HEAD + "[[channels]]\nname = 'z'\n") == [
        "8: channels[1].name: a second channel is called 'c': rename one",
        "11: channels[2].driver: the key 'driver' is missing: known: toy",
    ]


def test_a_power_of_ten_that_no_point_gives_is_told(tmp_path):
    text = HEAD + (
        "[[channels.devices]]\nname = 'd'\n"
        "points = [{ name = 'a', address = '1', scale_from = 'sf' }]\n"
    )
    assert faults(tmp_path, text) == [
        "8: channels[0].devices[0].points[0]: point d.a: scale_from 'sf' is no point"
    ]
