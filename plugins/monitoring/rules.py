"""When a rule makes an alert, tells of it, and takes it for over. Pure: times are given."""

import datetime as dt

from msgspec import Struct
from msgspec.structs import replace

RESOLVE_AFTER = dt.timedelta(minutes=5)


class Watch(Struct, frozen=True, kw_only=True):
    """What a rule remembers. since: its condition holds. clear_since: it no longer does.

    told_at: when it last acted. is_open: there is an alert that is neither resolved nor suppressed.
    """

    since: dt.datetime | None = None
    clear_since: dt.datetime | None = None
    told_at: dt.datetime | None = None
    is_open: bool = False


class Step(Struct, frozen=True, kw_only=True):
    """What is to be done. fires: make an alert, or count one more for the open one."""

    watch: Watch
    fires: bool = False
    tells: bool = False
    resolves: bool = False


def step(
    watch: Watch,
    *,
    holds: bool,
    now: dt.datetime,
    hold_for: dt.timedelta,
    cooldown: dt.timedelta,
    resolves: bool = True,
) -> Step:
    """One evaluation. hold_for: how long the condition must hold. cooldown: between two tellings.

    resolves: whether the alert ends by itself once the condition was false for five minutes.
    """
    if not holds:
        clear = watch.clear_since or now
        over = watch.is_open and resolves and now - clear >= RESOLVE_AFTER
        after = replace(watch, since=None, clear_since=clear, is_open=watch.is_open and not over)
        return Step(watch=after, resolves=over)
    since = watch.since or now
    watch = replace(watch, since=since, clear_since=None)
    if now - since < hold_for:
        return Step(watch=watch)
    tells = watch.told_at is None or now - watch.told_at >= cooldown
    after = replace(watch, is_open=True, told_at=now if tells else watch.told_at)
    return Step(watch=after, fires=True, tells=tells)
