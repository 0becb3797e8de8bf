"""Over TLS with libiec61850: both sides prove themselves, or there is no association."""

from pathlib import Path

import pytest

from drivers.iec61850 import model, scl
from drivers.iec61850.config import Tls
from drivers.iec61850.ied import Ied
from hub import ConfigError, Kind, LinkError, Outcome
from tests.integration.iec61850.certificates import certificate
from tests.integration.iec61850.conftest import BAY, Start
from tests.integration.iec61850.hub_side import command, driver, opened, spec
from tests.integration.iec61850.peer import Peer
from tests.integration.iec61850.test_iec61850_session import next_with

SWITCH = spec("CTRL/XCBR1.Pos.stVal[ST]", Kind.DOUBLE, writable=True)


@pytest.fixture
async def secure(start_libiec61850: Start, tmp_path: Path) -> Peer:
    authority = certificate(tmp_path, "ca", None)
    for name in ("ied", "hub"):
        certificate(tmp_path, name, authority)
    certificate(tmp_path, "stranger", None)
    return await start_libiec61850(tmp_path)


def tls(folder: Path, ca: str, name: str) -> Tls:
    return Tls(
        ca=str(folder / f"{ca}.pem"),
        certificate=str(folder / f"{name}.pem"),
        key=str(folder / f"{name}.key"),
        server_name="127.0.0.1",
    )


async def test_the_driver_learns_reads_is_told_and_operates(secure: Peer, tmp_path: Path) -> None:
    made, link = driver(secure.port, [SWITCH], tls=tls(tmp_path, "ca", "hub"))
    async with opened(made) as session:
        await session.startup()
        await next_with(session, 0)
        found = session._ied.model
        assert model.differences(model.from_scl(scl.read(BAY).ied()), found) == []
        assert (await session.operate(command(made, 0, 2))).outcome is Outcome.DONE
        _, (value, _, _) = await next_with(session, 0)
        assert value == 2.0
    assert not link.warnings


@pytest.mark.parametrize(("ca", "name"), [("stranger", "hub"), ("ca", "stranger")])
async def test_a_side_that_the_other_does_not_know_is_refused(
    secure: Peer, tmp_path: Path, ca: str, name: str
) -> None:
    with pytest.raises(LinkError):
        await Ied.open("127.0.0.1", secure.port, tls=tls(tmp_path, ca, name).context())


async def test_without_tls_it_does_not_listen_to_us(secure: Peer) -> None:
    with pytest.raises(LinkError):
        await Ied.open("127.0.0.1", secure.port)


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nix"):
        Tls(ca=str(tmp_path / "nix")).context()
