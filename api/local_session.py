"""Sign-in of the technician at a gateway's own page: sessions in memory, gone with the process."""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from hub.contract.errors import TooMany

COOKIE = "busbar_technician"
CSRF = "X-CSRF-Token"
IDLE, LONGEST = 30 * 60.0, 12 * 3_600.0  # s
MOST = 20  # sessions at once
GUESSES, WINDOW = 5, 60.0  # wrong passwords from one address within so many seconds
REMEMBERED = 1_000  # addresses


@dataclass
class Session:
    """by: who said to be there. csrf: goes with whatever changes something."""

    by: str
    began: float
    used: float
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))


class Sessions:
    """Who is signed in; a token is kept as its hash. clock: monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: OrderedDict[bytes, Session] = OrderedDict()

    def begin(self, by: str) -> tuple[str, Session]:
        """A new session and its token; the oldest gives way to it when there are too many."""
        token, now = secrets.token_urlsafe(32), self._clock()
        session = self._open[_hash(token)] = Session(by, now, now)
        while len(self._open) > MOST:
            self._open.popitem(last=False)
        return token, session

    def find(self, request: web.Request) -> Session | None:
        """The session that a request belongs to, which is thereby used."""
        key, now = _hash(request.cookies.get(COOKIE, "")), self._clock()
        session = self._open.get(key)
        if session is None:
            return None
        if now - session.used > IDLE or now - session.began > LONGEST:
            del self._open[key]
            return None
        session.used = now
        return session

    def end(self, request: web.Request) -> None:
        self._open.pop(_hash(request.cookies.get(COOKIE, "")), None)


class Guesses:
    """Counts wrong passwords by address, in bounded memory. clock: monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def check(self, address: str) -> None:
        """TooMany while this address has to wait."""
        since, count = self._wrong.get(address, (0.0, 0))
        left = WINDOW - (self._clock() - since)
        if count >= GUESSES and left > 0:
            raise TooMany(f"too many wrong passwords: wait {left:.0f} s")

    def wrong(self, address: str) -> None:
        since, count = self._wrong.get(address, (0.0, 0))
        now = self._clock()
        self._wrong[address] = (now, 1) if now - since > WINDOW else (since, count + 1)
        self._wrong.move_to_end(address)
        if len(self._wrong) > REMEMBERED:
            self._wrong.popitem(last=False)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
