"""The security module: the only place that holds keys. Everyone else names them.

`SoftwareModule` is the built-in one, for test keys; real keys stay in a hardware module or behind a
vending server, which attach through the same interface.
"""

from collections.abc import Iterable
from typing import Protocol

from hub import NotFound, ProtocolError

from .contents import Content, MeterTest, Order
from .decoder import decode
from .encoder import encode, key_change
from .errors import LiveSupplyGroup
from .identity import Meter
from .keys import DecoderKey, KeyRef, Secret, derive
from .sta import Tables
from .standard import Algorithm

# Supply groups of the published compliance suites (STS 531-1); no utility has one of them.
TEST_SUPPLY_GROUPS = frozenset({"123456", "123457", "201457", "888888"})


class SecurityModule(Protocol):
    """Encrypts for meters under vending keys that never leave it."""

    async def self_test(self) -> None:
        """Raise if the module cannot be trusted to work."""

    async def encode(self, meter: Meter, order: Order) -> str:
        """The token of that order for that meter, with the order's own identifier."""

    async def decode(self, meter: Meter, digits: str) -> Content:
        """Read a token as that meter would, or TokenRefused."""

    async def change_key(self, old: Meter, new: Meter) -> tuple[str, ...]:
        """The tokens that give meter `old` the key of `new`, in the order to enter them."""


class SoftwareModule:
    """Test keys in memory. Refuses every supply group that could be a utility's."""

    def __init__(self, keys: Iterable[tuple[KeyRef, Secret]], tables: Tables | None = None) -> None:
        self._keys: dict[tuple[KeyRef, int], Secret] = {}
        self._tables = tables
        for ref, secret in keys:
            if ref.supply_group not in TEST_SUPPLY_GROUPS:
                raise LiveSupplyGroup(
                    f"{ref}: the software module takes test keys only "
                    f"({', '.join(sorted(TEST_SUPPLY_GROUPS))}); "
                    "attach a security module or a vending server"
                )
            self._keys[ref, len(secret)] = secret

    async def self_test(self) -> None:
        """Known answers of RFC 2994 and of the standard's worked example of EA07."""
        from .sta import sample_tables  # noqa: PLC0415 - only a self-test builds them

        misty = DecoderKey(Algorithm.MISTY1, Secret.from_hex("00112233445566778899aabbccddeeff"))
        sta = DecoderKey(Algorithm.STA, Secret.from_hex("0abc12def3456789"), sample_tables())
        for key, clear, cipher in (
            (misty, 0x0123456789ABCDEF, 0x8B1DA5F56AB3D07C),
            (sta, 0x0B19EB230100C207, 0xC45ED1619406DF95),
        ):
            if key.encrypt(clear) != cipher or key.decrypt(cipher) != clear:
                raise ProtocolError(f"EA{key.algorithm} fails its known-answer test")

    async def encode(self, meter: Meter, order: Order) -> str:
        return encode(order, None if isinstance(order, MeterTest) else self._key(meter))

    async def decode(self, meter: Meter, digits: str) -> Content:
        return decode(digits, self._key(meter))

    async def change_key(self, old: Meter, new: Meter) -> tuple[str, ...]:
        current, target = self._key(old), self._key(new)
        return tuple(encode(section, current) for section in key_change(old, new, target))

    def _key(self, meter: Meter) -> DecoderKey:
        ref = KeyRef.of(meter)
        size = 8 if meter.derivation == "02" else 20
        secret = self._keys.get((ref, size))
        if secret is None:
            raise NotFound(f"the security module has no key {ref} for DKGA{meter.derivation}")
        return derive(secret, meter, self._tables)

    def __repr__(self) -> str:
        return f"SoftwareModule({len(self._keys)} test keys)"
