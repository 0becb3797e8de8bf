"""What happens in administration."""

import datetime as dt

from hub import Event


class SettingsChanged(Event, frozen=True, tag="system.settings_changed"):
    """plugin: whose settings. keys: those that were set or went back to their default."""

    plugin: str
    keys: list[str]


class StatisticsReady(Event, frozen=True, tag="system.statistics_ready"):
    day: dt.date


EVENTS = (SettingsChanged, StatisticsReady)
