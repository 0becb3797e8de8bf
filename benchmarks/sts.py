"""Tokens issued and verified a second on one core, beside the ceiling that the cipher sets."""

import asyncio
from datetime import UTC, datetime, timedelta

from benchmarks.figures import Figure, rate, report
from drivers.sts import misty1
from drivers.sts.contents import Credit
from drivers.sts.decoder import decode
from drivers.sts.encoder import encode
from drivers.sts.identity import Meter
from drivers.sts.issuer import ModuleIssuer, TokenRequest
from drivers.sts.keys import KeyRef, Secret, derive
from drivers.sts.ledger import MemoryLedger
from drivers.sts.meter import StsMeter
from drivers.sts.module import SoftwareModule

COUNT = 5_000
METER = Meter(pan="600727000000000009", supply_group="201457")
VENDING_KEY = Secret.from_hex("ABABABABABABABAB949494949494949401234567")
START = datetime(2026, 1, 1, tzinfo=UTC)


def cipher() -> int:
    key = bytes(range(16))
    for block in range(COUNT):
        misty1.encrypt(key, block)
    return COUNT


def issue() -> int:
    """Key derivation and token for another key each time, as a vending back office has it."""
    for tid in range(COUNT):
        encode(Credit(units=250, tid=tid, random=5), derive(VENDING_KEY, METER))
    return COUNT


def verify() -> int:
    key = derive(VENDING_KEY, METER)
    tokens = [encode(Credit(units=250, tid=tid), key) for tid in range(50)]
    for n in range(COUNT):
        decode(tokens[n % 50], derive(VENDING_KEY, METER))
    return COUNT


def whole() -> int:
    """Everything: request checked, transaction reserved, key derived, token made."""

    async def run() -> None:
        now = START
        module = SoftwareModule([(KeyRef.of(METER), VENDING_KEY)])
        issuer = ModuleIssuer(module, MemoryLedger(), lambda: now)
        for n in range(COUNT):
            now += timedelta(minutes=1)
            await issuer.issue(
                TokenRequest(meter=METER, transaction=str(n), order=Credit(units=250))
            )

    asyncio.run(run())
    return COUNT


def meter() -> int:
    """A virtual meter takes tokens: decode, store of identifiers, register."""
    key = derive(VENDING_KEY, METER)
    tokens = [encode(Credit(units=1, tid=tid + 1), key) for tid in range(COUNT)]
    device = StsMeter(METER, key)
    for token in tokens:
        device.enter(token, START)
    return COUNT


def main() -> None:
    blocks = rate(cipher)
    against = "MISTY1 blocks alone"
    report(
        "STS tokens, EA11 with DKGA04, one core",
        [
            Figure(name=name, ours=rate(work), ceiling=blocks, unit="/s", against=against)
            for name, work in (
                ("issue: derive key, encode", issue),
                ("verify: derive key, decode", verify),
                ("issue with ledger and checks", whole),
                ("meter: encode, then enter", meter),
            )
        ],
    )


if __name__ == "__main__":
    main()
