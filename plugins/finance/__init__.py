"""The general ledger: what billing, vending, stock and payroll post to."""

import contextlib
from pathlib import Path
from typing import Any

import typer

from hub import LEDGER, Plugin, hookimpl

from .accounts import accounts, currencies, rates
from .books import open_books, open_year
from .clearing import intermediate_accounts, settlements
from .entries import Entry, Line, credit, debit
from .errors import AccountUnusable, KeyReused, PeriodClosed, Unbalanced
from .events import EVENTS
from .journal import (
    change_draft,
    create_draft,
    delete_draft,
    journal,
    post_draft,
    read_entry,
    reverse_entry,
)
from .models import Account, JournalEntry, Period
from .periods import open_fiscal_year, periods
from .posting import Books
from .posting import rules as posting_rules
from .proof import SUBLEDGERS, SubLedgers
from .reconciliation import baskets, items, make_basket, run_match, sessions
from .reports import read_report
from .rules import add_tax, cash_rounding, split, take_tax, tax_per_document, tax_per_line
from .service import Posted, post, post_many, reverse
from .setup import setup

__all__ = [
    "SUBLEDGERS",
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
    "add_tax",
    "cash_rounding",
    "credit",
    "debit",
    "open_books",
    "open_year",
    "post",
    "post_many",
    "reverse",
    "split",
    "take_tax",
    "tax_per_document",
    "tax_per_line",
]


@hookimpl
def hub_plugin() -> Plugin:
    return Plugin(
        name="finance",
        requires=("identity",),
        resources=(
            accounts,
            currencies,
            rates,
            journal,
            periods,
            posting_rules,
            sessions,
            baskets,
            items,
        ),
        actions=(
            setup,
            read_entry,
            create_draft,
            change_draft,
            delete_draft,
            post_draft,
            reverse_entry,
            open_fiscal_year,
            read_report,
            run_match,
            make_basket,
            intermediate_accounts,
            settlements,
        ),
        events=EVENTS,
        providers={LEDGER: Books(), SUBLEDGERS: SubLedgers()},
        locale=Path(__file__).parent / "locale",
        migrations=Path(__file__).parent / "migrations",
    )


@hookimpl
def hub_services(hub: Any) -> list[contextlib.AbstractAsyncContextManager[Any]]:
    from .jobs import keeping

    return [keeping(hub)]


@hookimpl
def hub_cli(app: typer.Typer) -> None:
    from .cli import add_commands

    add_commands(app)
