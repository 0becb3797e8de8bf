"""One Modbus device and the channel to it, for tests of what a gateway makes of its points."""

from pathlib import Path

from hub import PointSpec
from hub.kernel.profiles import Header, Profile
from simulators.modbus import Unit

FIELD = """
[[channels]]
driver = "modbus-tcp"
name = "field"
host = "127.0.0.1"
port = {field}
request_timeout = 0.5
backoff = { first = 0.05, last = 0.1 }
[[channels.devices]]
name = "bay"
every = 0.05
points = [
  { name = "voltage", address = "hr:0", type = "uint16", scale = 0.1, unit = "V" },
  { name = "energy", address = "hr:2", type = "uint32", kind = "counter", unit = "kWh" },
  { name = "name", address = "hr:8", type = "string:10", kind = "text" },
  { name = "limit", address = "hr:20", type = "uint32", writable = true },
  { name = "mode", address = "hr:24", type = "uint16", writable = true },
  { name = "breaker", address = "co:0", kind = "binary", writable = true },
  { name = "state", address = "co:0", kind = "binary" },
]
"""


def field_unit() -> Unit:
    header = Header(
        code="acme/m1", manufacturer="Acme", model="M1", title="M1", protocol="modbus",
        reference="test",
    )  # fmt: skip
    points = (
        PointSpec(name="voltage", address="hr:0", type="uint16"),
        PointSpec(name="energy", address="hr:2", type="uint32"),
        PointSpec(name="name", address="hr:8", type="string:10"),
        PointSpec(name="limit", address="hr:20", type="uint32", writable=True),
        PointSpec(name="mode", address="hr:24", type="uint16", writable=True),
        PointSpec(name="breaker", address="co:0", writable=True),
    )
    unit = Unit(Profile(header=header, points=points, commands=(), file=Path("acme/m1.toml")))
    for name, value in (("voltage", 2301), ("energy", 123456), ("limit", 70), ("mode", 5)):
        unit.image.set(name, value)
    unit.image.set("name", "incomer 3")
    return unit
