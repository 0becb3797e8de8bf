"""The coverage-guided fuzzer on the DNP3 stack: a short run, and proof that it would notice."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import dnp3_target

ROOT = Path(__file__).parents[3]


def test_every_seed_passes_and_no_two_are_alike() -> None:
    seeds = list(dnp3_target.seeds())
    assert len(seeds) > 200
    assert len(set(seeds)) > 0.9 * len(seeds)
    for seed in seeds:
        dnp3_target.one_input(seed)


def test_the_target_notices_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(fragment: object) -> None:
        raise IndexError("list index out of range")

    monkeypatch.setattr(dnp3_target, "describe", broken)
    seed = next(dnp3_target.seeds())
    with pytest.raises(IndexError):
        dnp3_target.one_input(seed)


def test_atheris_finds_nothing_in_a_short_run(tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        if os.environ.get("BUSBAR_REQUIRE_PEERS"):
            pytest.fail("atheris is not installed")
        pytest.skip("atheris has no wheel for this machine")
    arguments = [str(tmp_path / "corpus"), "-runs=2000", "-max_len=1024", "-timeout=10"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.dnp3", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    runs = re.search(r"Done (\d+) runs", done.stderr)
    assert runs is not None, done.stderr[-3000:]
    assert int(runs[1]) >= 2000
    assert len(list((tmp_path / "corpus").iterdir())) > 200
