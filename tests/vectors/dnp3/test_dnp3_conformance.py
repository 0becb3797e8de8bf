"""Our outstation in a recorded conformance test of another one: 93 procedures."""

from pathlib import Path

import pytest

from tests.vectors.dnp3 import conformance as player

README = Path(__file__).parents[3] / "drivers" / "dnp3" / "README.md"
# Where we differ from the recorded device and still do what the procedure demands.
ACCEPTED = {
    "6.1.2": "a confirmed frame before the link was reset is refused with NACK; the recorded"
    " device kept silent, the procedure allows both",
    "8.11.2.1": "the null unsolicited response is repeated unchanged, with its sequence number;"
    " the recorded device numbered each repetition",
    "8.9.2.2": "indexes below 256 take one octet, so more static points fit into the last fragment",
}


def folder(shared: Path) -> Path:
    return shared / "data" / "pcaps" / "dnp3" / "opendnp3_conformance"


def table(base: Path) -> list[str]:
    """Rows of the README: procedure, title, result, note."""
    import csv

    rows = []
    with (base / "index.csv").open() as index:
        for row in csv.DictReader(index):
            name = row["procedure"]
            found = player.differences((base / name / "log.txt").read_text())
            if not found:
                result, note = "pass", ""
            elif name in ACCEPTED:
                result, note = "pass", ACCEPTED[name]
            else:
                result, note = "fail", found[0].splitlines()[0]
            rows.append(f"| {name} | {row['title']} | {result} | {note} |")
    return rows


def names() -> list[str]:
    import os

    root = Path(os.environ.get("BUSBAR_SHARED", Path(__file__).parents[3] / ".." / "shared"))
    return player.procedures(folder(root)) or ["none"]


@pytest.mark.parametrize("name", names())
def test_the_outstation_answers_as_the_procedure_demands(shared: Path, name: str) -> None:
    log = folder(shared) / name / "log.txt"
    if not log.exists():
        pytest.skip("the recordings are not there")
    found = player.differences(log.read_text())
    if name in ACCEPTED:
        assert found, f"{name} no longer differs: take it from the list"
    else:
        assert not found, "\n".join(found)


def test_the_readme_tells_the_results(shared: Path) -> None:
    if not folder(shared).is_dir():
        pytest.skip("the recordings are not there")
    text = README.read_text()
    rows = table(folder(shared))
    assert len(rows) == 93
    missing = [row for row in rows if row not in text]
    assert not missing, "put these into the table:\n" + "\n".join(missing)
