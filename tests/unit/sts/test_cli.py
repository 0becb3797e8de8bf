"""`busbar sts` as typed."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from drivers.sts import hub_cli
from tests.unit.sts.conftest import TEST_KEY

METER = ["--meter", "600727000000000009", "--sgc", "201457"]
HEADER = (
    "kind,ea,dkga,vending_key_hex,supply_group_code,key_type,tariff_index,key_revision,key_expiry,"
    "base_date,meter_pan,issue_time,random,amount,subclass,control,manufacturer_code,token\n"
)
CLASS_1 = "test_display_1,EA07,,,,,,,,,,,,,0,68719476735,0,56493153725450313471\n"
WRONG = CLASS_1.replace("68719476735", "1")
STA = (
    "transfer_gas,EA07,04,{key},201457,2,01,1,255,2014,600727000000000009,"
    "01/03/2014 13:00:00,5,1,,,,1\n"
)


@pytest.fixture
def keys(tmp_path: Path) -> list[str]:
    file = tmp_path / "keys.toml"
    file.write_text(
        "".join(
            f'[[key]]\nsupply_group = "{group}"\nrevision = {n}\nvalue = "{TEST_KEY}"\n'
            for group in ("201457", "123457")
            for n in (1, 2)
        )
    )
    return ["--keys", str(file)]


def sts(*arguments: str) -> Result:
    app = typer.Typer()
    hub_cli(app)
    app.command("other")(lambda: None)
    return CliRunner().invoke(app, ["sts", *arguments])


def test_what_is_issued_is_decoded(keys: list[str]) -> None:
    issued = sts("issue", "units", "12.34", *METER, *keys, "--at", "2026-07-29 12:00:00")
    assert issued.exit_code == 0, issued.output
    read = sts("decode", issued.output.strip(), *METER, *keys)
    assert "units=124" in read.output
    assert "issued 2026-07-29 12:00 UTC" in read.output


def test_a_ledger_gives_the_same_token_for_the_same_transaction(
    keys: list[str], tmp_path: Path
) -> None:
    ledger = ["--ledger", str(tmp_path / "ledger.db"), "--transaction", "pay-1"]
    first = sts("issue", "units", "5", *METER, *keys, *ledger)
    assert sts("issue", "units", "5", *METER, *keys, *ledger).output == first.output
    other = sts("issue", "units", "6", *METER, *keys, *ledger)
    assert other.exit_code == 1
    assert "pay-1" in other.stderr


@pytest.mark.parametrize(
    "order",
    [
        ["currency", "--", "-2.50"],
        ["clear-credit", "3"],
        ["clear-credit"],
        ["clear-tamper"],
        ["power-limit", "4000"],
        ["phase-limit", "900"],
        ["test", "1"],
    ],
)
def test_every_kind_of_order_can_be_issued(keys: list[str], order: list[str]) -> None:
    issued = sts("issue", *METER, *keys, *order)
    assert issued.exit_code == 0, issued.output
    assert len(issued.output.replace(" ", "").strip()) == 20


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["power-limit"], "is not a number"),
        (["a-lot", "1"], "none of units"),
        (["units", "a lot"], "is not a number"),
        (["units", "Infinity"], "is not a number"),
        (["units", "1", "--service", "heat"], "none of electricity"),
        (["units", "1", "--base", "1999"], "1999"),
        (["units", "1", "--krn", "5"], "no key SGC 201457 KRN 5"),
    ],
)
def test_what_cannot_be_issued_is_told_in_one_line(
    keys: list[str], arguments: list[str], why: str
) -> None:
    result = sts("issue", *METER, *keys, *arguments)
    assert result.exit_code == 1
    assert why in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_live_supply_group_is_refused_without_showing_its_key(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(f'[[key]]\nsupply_group = "600100"\nvalue = "{TEST_KEY}"\n')
    result = sts("issue", "units", "1", *METER, "--keys", str(file))
    assert result.exit_code == 1
    assert "test keys only" in result.stderr
    assert TEST_KEY not in result.output


def test_a_key_change_prints_its_set(keys: list[str]) -> None:
    result = sts("key-change", *METER, *keys, "--to-sgc", "123457", "--to-krn", "2", "--to-ti", "3")
    assert len(result.output.splitlines()) == 4
    read = [sts("decode", line, *METER, *keys).output for line in result.output.splitlines()]
    assert [text.split("(")[0] for text in read] == [f"KeySection{n}" for n in (1, 2, 3, 4)]
    assert "tariff_index=3" in read[1]


def test_verify_counts_and_its_exit_code_tells_of_failures(tmp_path: Path) -> None:
    good = tmp_path / "good.csv"
    good.write_text(HEADER + CLASS_1 + STA.format(key=TEST_KEY))
    result = sts("verify", "--vectors", str(good))
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "skipped 1: EA07 needs its tables: --ea07-tables",
        "1 reproduced, 0 failed, 1 skipped",
    ]
    bad = tmp_path / "bad.csv"
    bad.write_text(HEADER + CLASS_1 + WRONG)
    result = sts("verify", "--vectors", str(bad))
    assert result.exit_code == 1
    assert "line 3: test_display_1: encoder makes 00000000000150997584" in result.output
    assert "1 reproduced, 1 failed, 0 skipped" in result.output


def test_verify_refuses_a_file_that_has_no_vectors(tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_text("a,b\n1,2\n")
    result = sts("verify", "--vectors", str(file))
    assert result.exit_code == 1
    assert "no column" in result.stderr


def test_an_encrypted_token_without_a_key_is_refused() -> None:
    result = sts("decode", "51043465443420856213")
    assert result.exit_code == 1
    assert "CRCError" in result.stderr
