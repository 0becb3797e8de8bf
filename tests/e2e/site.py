"""Everything on one machine, started as a person would, and what is set up in it first."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 120.0
SHIPPED = Path(__file__).parents[2] / "firmware_profiles"
STATIONS = {"SS1": ("Al-Noor substation", 15.35, 44.21), "SS2": ("Harbour substation", 14.8, 42.95)}


@dataclass
class Site:
    """A running centre with a gateway and a simulated field."""

    address: str
    username: str
    password: str
    token: str = ""

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request to the API as the administrator."""
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(
            f"{self.address}/api/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers=headers,
        )
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.loads(reply.read() or b"null")

    def sign_in(self) -> None:
        who = {"username": self.username, "password": self.password}
        self.token = self.call("POST", "/auth/login", who)["access_token"]

    def station(self, code: str) -> str:
        return str(self.call("GET", f"/scada/stations?code={code}")["items"][0]["id"])

    def point(self, device: str, name: str) -> str:
        owner = self.call("GET", f"/scada/devices?code={device}")["items"][0]["id"]
        found = self.call("GET", f"/scada/points?device_id={owner}&name={name}")["items"]
        return str(found[0]["id"])


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Site]:
    """`busbar up --simulate` on ports of the system's choice; two stations with all devices."""
    busbar = Path(sys.executable).with_name("busbar")
    where = ["--data", folder / "data", "--port", "0", "--gateway-port", "0"]
    where += ["-c", watchful(folder)]
    log = folder / "up.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [busbar, "up", "--simulate", *where],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                "RATE_LIMIT_PROFILE": "bench",
            },  # one address, a whole suite of pages
        )
    try:
        site = _greeted(process, log)
        site.sign_in()
        _furnish(site)
        yield site
    finally:
        process.terminate()
        process.wait(30)


def watchful(folder: Path) -> Path:
    """Settings with a breaker's profile that calls it an alarm when the breaker is open."""
    name = "generic/modbus_breaker.toml"
    own = folder / "profiles" / name
    own.parent.mkdir(parents=True)
    position = 'name = "switch.position", '
    shipped = (SHIPPED / name).read_text()
    own.write_text(shipped.replace(position, f"{position}normal_state = 1, "))
    settings = folder / "site.toml"
    settings.write_text(f'[gateway]\nprofiles = ["{folder / "profiles"}"]\n')
    return settings


def _greeted(process: subprocess.Popen[bytes], log: Path) -> Site:
    """What the command says once it runs: where, and how to sign in."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        said = log.read_text()
        where = re.search(r"Busbar is at (\S+)", said)
        who = re.search(r"sign in as (\S+) / (\S+)", said)
        if where and who:
            return Site(where.group(1), who.group(1), who.group(2))
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"busbar up did not start:\n{log.read_text()}")


def _furnish(site: Site) -> None:
    """Put every device that the gateway brought into its station."""
    until = time.monotonic() + PATIENCE
    while site.call("GET", "/scada/points?limit=1")["total"] < 1000:
        if time.monotonic() > until:
            raise RuntimeError("the gateway's points did not come")
        time.sleep(0.2)
    homes = {}
    for code, (name, latitude, longitude) in STATIONS.items():
        body = {"code": code, "name": name, "station_type": "substation", "region": "North"}
        body |= {"latitude": latitude, "longitude": longitude, "capacity_kw": 5000}
        homes[code] = _station(site, body)
    for device in site.call("GET", "/scada/devices?limit=100")["items"]:
        kind = "breaker" if device["code"].endswith("-CB") else "meter"
        body = {"station_id": homes[device["code"][:3]], "device_type": kind}
        _change(site, f"/scada/devices/{device['id']}", body)


def _station(site: Site, body: dict[str, Any]) -> str:
    """Create a station, or complete the one that the gateway's devices have made."""
    found = site.call("GET", f"/scada/stations?code={body['code']}")["items"]
    if not found:
        return str(site.call("POST", "/scada/stations", body)["id"])
    _change(site, f"/scada/stations/{found[0]['id']}", body)
    return str(found[0]["id"])


def _change(site: Site, path: str, body: Any) -> None:
    """Change a row that the gateway may just be writing to as well."""
    for _ in range(10):
        try:
            site.call("PATCH", path, body)
        except urllib.error.HTTPError as error:
            if error.code != 409:
                raise
        else:
            return
    raise RuntimeError(f"{path} is never at rest")
