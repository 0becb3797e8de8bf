"""Packet captures for the drivers' `sniff` commands: files, and what travels in their frames."""

from .files import ETHERNET, Frame, frames
from .net import Chunk, Packet, TcpOrder, chunks, packet, packets, place

__all__ = [
    "ETHERNET",
    "Chunk",
    "Frame",
    "Packet",
    "TcpOrder",
    "chunks",
    "frames",
    "packet",
    "packets",
    "place",
]
