"""Work of a plugin that must go on whatever its peers do, and must not take the process with it."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable

from .driver import Backoff
from .errors import AuthError, ConfigError, LinkError, NoResponse, ProtocolError

log = logging.getLogger(__name__)

Work = Callable[[Callable[[], None]], Awaitable[None]]
_PASSING = (LinkError, NoResponse, ProtocolError, TimeoutError, OSError)


@contextlib.asynccontextmanager
async def kept(name: str, work: Work, backoff: Backoff | None = None) -> AsyncIterator[None]:
    """Do `work(up)` again and again until left; it calls `up()` once it is at work.

    A failed link backs off from `first` to `last`; refused credentials and a ConfigError wait for
    `auth`, because a configuration may come that mends them. Anything else is a bug and ends this
    work alone, with a traceback. A failure is logged once, and so is its end.
    """
    task = asyncio.create_task(_keep(name, work, backoff or Backoff()), name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _keep(name: str, work: Work, backoff: Backoff) -> None:
    delay, told = backoff.first, ""

    def up() -> None:
        nonlocal delay, told
        if told:
            log.info("%s: works again", name, extra={"action": "kept.well", "work": name})
        delay, told = backoff.first, ""

    while True:
        try:
            await work(up)
        except (AuthError, ConfigError) as e:
            trouble, pause = str(e), backoff.auth
        except _PASSING as e:
            trouble, pause = str(e) or repr(e), delay
            delay = min(2 * delay, backoff.last)
        except Exception:
            extra = {"action": "kept.bug", "work": name}
            log.exception("%s: stops for good", name, extra=extra)
            return
        else:
            return
        if trouble != told:
            log.error("%s: %s", name, trouble, extra={"action": "kept.failed", "work": name})
            told = trouble
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
