"""`busbar finance verify` on a real database, as an auditor runs it."""

import datetime as dt
import json

import psycopg
from typer.testing import CliRunner

from plugins.finance import Entry, credit, debit, post
from plugins.finance.chain import seal


def verified(dsn, folder):
    from concurrent.futures import ThreadPoolExecutor

    from hub.cli import make_app

    file = folder / "central.toml"
    file.write_text(f"[database]\ndsn = {json.dumps(dsn)}\n")
    arguments = ["finance", "verify", "-c", str(file)]
    with ThreadPoolExecutor(1) as own:  # the command runs a loop of its own
        return own.submit(CliRunner().invoke, make_app("finance"), arguments).result()


async def test_the_auditor_is_told_what_was_changed(books, migrated, tmp_path):
    lines = (debit("1110", 5), credit("4110", 5))
    async with books() as ctx:
        await post(ctx, Entry(kind="t", day=dt.date(2026, 6, 1), description="x", lines=lines))
        await seal(ctx)
    sound = verified(migrated, tmp_path)
    assert sound.exit_code == 0, sound.output
    assert "1 entries sealed, 0 waiting, sound" in sound.output
    with psycopg.connect(migrated, autocommit=True) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute("UPDATE finance_line SET amount = 6 WHERE amount = 5")
    changed = verified(migrated, tmp_path)
    assert changed.exit_code == 1
    assert "NOT SOUND" in changed.output
    assert "chain: 2026/1: the entry is not what was sealed" in changed.output
    assert "trial_balance: USD: 1" in changed.output
