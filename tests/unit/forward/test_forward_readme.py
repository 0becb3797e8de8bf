"""What the README says of forwarders is what there is."""

from pathlib import Path

from drivers.forward.settings import ForwardSettings, Influx

README = (Path(__file__).parents[3] / "drivers" / "forward" / "README.md").read_text()


def test_every_setting_is_named() -> None:
    assert [field for field in Influx.__struct_fields__ if f"`{field}`" not in README] == []
    assert ForwardSettings.__struct_fields__ == ("influx",)
    assert "[[plugin.forward.influx]]" in README


def test_the_defaults_are_as_told() -> None:
    plain = Influx(name="h", url="http://x", database="d", password="secret")
    for field in ("every", "batch", "timeout"):
        assert f"| `{field}` | {getattr(plain, field):g} |" in README
    assert (plain.backoff.first, plain.backoff.last) == (1, 60)
    assert "secret" not in repr(plain)
