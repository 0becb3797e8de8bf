"""Bills that utilities and regulators print, and the command that computes them again."""

import csv
import json
import subprocess
import sys

import pytest

from plugins.billing.tariff.examples import check_folder


@pytest.fixture
def folder(shared):
    return shared / "data" / "tariffs"


@pytest.fixture
def copied(folder, tmp_path):
    for name in ("tariffs.json", "bill_examples.csv"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    return tmp_path


def run(folder):
    code = "from hub.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "billing", "check-examples", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_printed_bill_is_computed_to_its_amount(folder):
    checks = list(check_folder(folder))
    assert len(checks) == 51
    wrong = [(c.example.tariff_id, c.computed, c.example.expected) for c in checks if not c.ok]
    assert wrong == []
    (misprint,) = [c for c in checks if c.misprint]
    assert (str(misprint.computed), misprint.example.expected) == ("348.00", "344")


def test_the_command_succeeds_only_on_the_true_amounts(copied):
    good = run(copied)
    assert good.returncode == 0, good.stdout
    assert "51 of 51 examples agree, 1 of them a known misprint" in good.stdout
    table = copied / "bill_examples.csv"
    table.write_text(table.read_text().replace(",1777.93,", ",1777.94,"))
    bad = run(copied)
    assert bad.returncode == 1
    assert "DIFFERS" in bad.stdout


@pytest.mark.parametrize("tariff", ["jo_household_subsidised_2022", "ae_dewa_residential"])
def test_a_changed_price_shows(copied, tariff):
    path = copied / "tariffs.json"
    facts = json.loads(path.read_text())
    facts[tariff]["cases"][0]["blocks"][0][1] = "0.2301"
    for case in facts[tariff]["cases"]:
        case["blocks"][0][1] = "0.2301"
    path.write_text(json.dumps(facts))
    assert {c.example.tariff_id for c in check_folder(copied) if not c.ok} == {tariff}


def test_a_kind_that_is_not_understood_is_no_success(copied):
    table = copied / "bill_examples.csv"
    rows = list(csv.reader(table.read_text().splitlines()))
    rows[1][5] = "printed (by the moon)"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    (bad,) = [c for c in check_folder(copied) if not c.ok]
    assert "by the moon" in bad.problem


def test_what_a_converter_cannot_read_it_names(folder):
    left = {c.example.tariff_id: c.left for c in check_folder(folder)}
    assert "homelight_excl_vat" in left["za_eskom_2024_25"]
    assert "tou_ci1" in left["ke_domestic_2023"]
    assert left["jo_household_subsidised_2022"] == ()


def test_a_folder_without_examples_is_a_usage_error(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 2
    assert "tariffs.json" in done.stderr
