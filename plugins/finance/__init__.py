"""The general ledger: what billing, vending, stock and payroll post to."""

from pathlib import Path

from hub import Plugin, hookimpl

from .books import open_books, open_year
from .entries import Entry, Line, credit, debit
from .errors import AccountUnusable, KeyReused, PeriodClosed, Unbalanced
from .events import EVENTS
from .models import Account, JournalEntry, Period
from .service import Posted, post, post_many, reverse

__all__ = [
    "Account",
    "AccountUnusable",
    "Entry",
    "JournalEntry",
    "KeyReused",
    "Line",
    "Period",
    "PeriodClosed",
    "Posted",
    "Unbalanced",
    "credit",
    "debit",
    "open_books",
    "open_year",
    "post",
    "post_many",
    "reverse",
]


@hookimpl
def hub_plugin() -> Plugin:
    return Plugin(
        name="finance",
        requires=("identity",),
        events=EVENTS,
        migrations=Path(__file__).parent / "migrations",
    )
