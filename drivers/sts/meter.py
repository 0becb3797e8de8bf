"""How an STS meter treats a token: accept and apply, or refuse and change nothing (7.1, 7.3)."""

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msgspec import structs

from .contents import (
    Content,
    Credit,
    CurrencyCredit,
    KeySection,
    KeySection1,
    KeySection2,
    KeySection3,
    KeySection4,
    MeterTest,
    Setting,
    SupplyGroupSection,
)
from .decoder import decode
from .errors import TokenRefused
from .identity import Meter, MeterPan
from .keys import DecoderKey, Secret
from .standard import (
    ALL_REGISTERS,
    Algorithm,
    BaseDate,
    KeyType,
    Result,
    Service,
    Subclass,
)
from .tid import last_tid

STORE = 50  # identifiers that a meter must remember at least (7.3.5)
SET_TIMEOUT = timedelta(minutes=10)  # for all tokens of a key change; left to the manufacturer
REGISTER_LIMIT = 10**9
# What one step of a credit token adds to its register: 0.1 kWh in Wh, 0.1 m3 in l, 0.1 min in s.
STEP = {Service.ELECTRICITY: 100, Service.WATER: 100, Service.GAS: 100, Service.TIME: 6}
_SECTION_RESULT = {
    KeySection1: Result.FIRST_KCT,
    KeySection2: Result.SECOND_KCT,
    SupplyGroupSection: Result.THIRD_KCT,
    KeySection3: Result.THIRD_KCT,
    KeySection4: Result.FOURTH_KCT,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """What entering a token came to. content: what it said, when it could be read."""

    result: Result
    content: Content | None = None
    detail: str = ""


@dataclass
class Lockout:
    """Keypad lock of many makes: 10 s after three bad tokens in a row, doubling to 1280 s."""

    failures: int = 0
    until: datetime | None = None

    def fail(self, now: datetime) -> None:
        self.failures += 1
        if self.failures >= 3:
            self.until = now + timedelta(seconds=min(10 * 2 ** (self.failures - 3), 1280))

    def closed(self, now: datetime) -> bool:
        return self.until is not None and now < self.until


@dataclass
class StsMeter:
    """The token side of a prepayment meter; it knows its decoder key and no vending key.

    credit: Wh, l, l and s per service; money: 0.00001 of the base currency. settings: last value
    of each class 2 setting. lockout: None for a meter without one.
    """

    identity: Meter
    key: DecoderKey = field(repr=False)
    first_tid: int = 0
    credit: dict[Service, int] = field(default_factory=lambda: dict.fromkeys(Service, 0))
    money: dict[Service, int] = field(default_factory=lambda: dict.fromkeys(Service, 0))
    settings: dict[Subclass, int] = field(default_factory=dict)
    tampered: bool = False
    lockout: Lockout | None = None
    tids: list[int] = field(init=False, repr=False)
    pending: dict[type, KeySection] = field(default_factory=dict, repr=False)
    pending_since: datetime | None = None

    def __post_init__(self) -> None:
        # At manufacture the store holds that day's identifier, so that older tokens are refused.
        self.tids = [self.first_tid] * STORE

    def enter(self, digits: str, now: datetime) -> Entry:
        """Take a token as its customer types it at `now`."""
        content: Content | None = None
        locked = self.lockout is not None and self.lockout.closed(now)
        try:
            # A locked keypad still takes tests of class 1, which need no key to be read.
            content = decode(digits, None if locked else self.key)
            result = self._take(content, now)
        except TokenRefused as refused:
            if locked:
                return Entry(Result.LOCKED_OUT)
            if self.lockout:
                self.lockout.fail(now)
            return Entry(refused.result, content, str(refused))
        if self.lockout and not locked:
            self.lockout = Lockout()
        return Entry(result, content)

    def _take(self, content: Content, now: datetime) -> Result:
        match content:
            case MeterTest(manufacturer=code):
                if int(code) and code != MeterPan.parse(self.identity.pan).manufacturer:
                    raise TokenRefused(Result.MANUFACTURER, code)
                return Result.ACCEPT
            case Credit() | CurrencyCredit() | Setting():
                self._check_tid(content.tid)
                if isinstance(content, Setting):
                    self._set(content)
                else:
                    self._credit(content)
                self.tids.insert(bisect_left(self.tids, content.tid), content.tid)
                self.tids.pop(0)
                return Result.ACCEPT
            case _:
                return self._section(content, now)

    def _check_tid(self, tid: int) -> None:
        if tid > last_tid(self.identity.key_expiry):
            raise TokenRefused(Result.KEY_EXPIRED)
        place = bisect_left(self.tids, tid)
        if place < STORE and self.tids[place] == tid:
            raise TokenRefused(Result.USED)
        if place == 0:
            raise TokenRefused(Result.OLD)

    def _credit(self, content: Credit | CurrencyCredit) -> None:
        if self.identity.key_type is KeyType.DEFAULT:
            raise TokenRefused(Result.DDTK)
        if isinstance(content, Credit):
            registers, added = self.credit, content.units * STEP[content.service]
        else:
            registers, added = self.money, content.amount
        if abs(registers[content.service] + added) > REGISTER_LIMIT:
            raise TokenRefused(Result.OVERFLOW)
        registers[content.service] += added

    def _set(self, content: Setting) -> None:
        if content.subclass is Subclass.CLEAR_CREDIT:
            self._clear(content.value)
        elif content.subclass is Subclass.CLEAR_TAMPER_CONDITION:
            self.tampered = False
        else:
            self.settings[content.subclass] = content.value

    def _clear(self, register: int) -> None:
        if register == ALL_REGISTERS:
            self.credit = dict.fromkeys(Service, 0)
            self.money = dict.fromkeys(Service, 0)
        elif register < 8:
            (self.credit if register < 4 else self.money)[Service(register % 4)] = 0
        else:
            raise TokenRefused(Result.RANGE, f"register {register}")

    def _section(self, section: KeySection, now: datetime) -> Result:
        """Keep a section until the set is whole; the key changes only then (7.3.9)."""
        self._check_section(section)
        if self.pending_since is None or now - self.pending_since > SET_TIMEOUT:
            self.pending, self.pending_since = {}, now
        self.pending[type(section)] = section
        if not self._complete():
            return _SECTION_RESULT[type(section)]
        try:
            self._change_key()
        finally:
            self.pending, self.pending_since = {}, None
        return Result.ACCEPT

    def _check_section(self, section: KeySection) -> None:
        if isinstance(section, KeySection2) and section.tariff_index > 99:
            raise TokenRefused(Result.RANGE, "tariff index")
        if not isinstance(section, KeySection1):
            return
        if not 1 <= section.key_revision <= 9:
            raise TokenRefused(Result.RANGE, "key revision")
        if section.key_type is not KeyType.UNIQUE:
            raise TokenRefused(
                Result.KEY_TYPE, f"{self.identity.key_type.name} to {section.key_type.name}"
            )

    def _complete(self) -> bool:
        needed: set[type] = {KeySection1, KeySection2}
        if self.identity.algorithm is Algorithm.MISTY1:
            needed |= {KeySection3, KeySection4}
        first = self.pending.get(KeySection1)
        if isinstance(first, KeySection1) and first.third:
            needed.add(SupplyGroupSection)
        return needed <= self.pending.keys()

    def _change_key(self) -> None:
        first, second = self.pending[KeySection1], self.pending[KeySection2]
        third, fourth = self.pending.get(KeySection3), self.pending.get(KeySection4)
        group = self.pending.get(SupplyGroupSection)
        if not (isinstance(first, KeySection1) and isinstance(second, KeySection2)):
            raise TokenRefused(Result.FORMAT)
        words, supply_group = [first.word, second.word], int(self.identity.supply_group)
        if isinstance(third, KeySection3) and isinstance(fourth, KeySection4):
            words[1:1] = [third.word, fourth.word]
            supply_group = fourth.supply_group_high << 12 | third.supply_group_low
        if first.third and isinstance(group, SupplyGroupSection):
            supply_group = group.supply_group
        if supply_group > 999_999:
            raise TokenRefused(Result.RANGE, "supply group")
        secret = Secret(b"".join(word.reveal() for word in words))
        self.key = DecoderKey(self.identity.algorithm, secret, self.key.tables)
        self.identity = structs.replace(
            self.identity,
            supply_group=f"{supply_group:06d}",
            key_revision=first.key_revision,
            key_type=first.key_type,
            key_expiry=first.expiry_high << 4 | second.expiry_low,
            tariff_index=second.tariff_index,
            base_date=_next(self.identity.base_date) if first.rollover else self.identity.base_date,
        )
        if first.rollover:
            self.tids = [0] * STORE


def _next(base: BaseDate) -> BaseDate:
    return min((later for later in BaseDate if later > base), default=base)
