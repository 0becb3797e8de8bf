"""Peers that we did not write, each in a process of its own."""

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from drivers.iec61850 import scl
from drivers.iec61850.association import Options
from drivers.iec61850.ied import Ied
from tests.integration.iec61850.libiec61850_model import configuration
from tests.integration.iec61850.peer import Peer

BAY = Path(__file__).parents[3] / "simulators" / "feeder_bay.icd"
HERE = Path(__file__).parent
CONTROLS = (
    "CTRL/XCBR1.Pos",
    "CTRL/CSWI1.Pos>CTRL/XCBR1.Pos",
    *(f"CTRL/GGIO1.SPCSO{n}" for n in (1, 2, 3, 4, 6, 7)),
    "CTRL/GGIO1.ISCSO1",
)
Start = Callable[..., Awaitable[Peer]]


@pytest.fixture
async def start_libiec61850(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts libiec61850 servers of our feeder bay; with a folder of certificates, over TLS."""
    if importlib.util.find_spec("pyiec61850") is None:
        pytest.skip("the peer pyiec61850-ng is not installed (extra `dev`)")
    document = scl.read(BAY)
    model, folder = tmp_path / "bay.cfg", tmp_path / "files"
    model.write_text(configuration(document, document.ied()))
    folder.mkdir()
    (folder / "fault.cfg").write_bytes(b"BAY1,1,1999\r\n" * 9000)
    peers: list[Peer] = []

    async def start(*certificates: Path) -> Peer:
        arguments = (str(model), f"{folder}/", ",".join(CONTROLS), *map(str, certificates))
        peer = await Peer.start(HERE / "libiec61850_server.py", *arguments)
        peers.append(peer)
        return peer

    yield start
    await asyncio.gather(*(peer.kill() for peer in peers))


@pytest.fixture
async def libiec61850(start_libiec61850: Start) -> Peer:
    return await start_libiec61850()


@pytest.fixture
async def rust(tmp_path: Path) -> AsyncIterator[Peer]:
    """The `iec61850` package's server of our feeder bay."""
    if importlib.util.find_spec("iec61850") is None:
        pytest.skip(f"the package iec61850 has no wheel for {sys.platform}")
    peer = await Peer.start(HERE / "rust_server.py", str(BAY))
    yield peer
    await peer.kill()


@pytest.fixture
async def ied(libiec61850: Peer) -> AsyncIterator[Ied]:
    """Associated with libiec61850, its model read."""
    ied = await Ied.open("127.0.0.1", libiec61850.port, Options(request_timeout=3.0))
    await ied.discover()
    yield ied
    await ied.close()
