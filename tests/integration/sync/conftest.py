"""Small makers of readings, and a file system of 2 MB."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from hub import ReadingBatch

START = 1_700_000_000_000_000


def make_batch(count: int, at: int, points: int = 100) -> ReadingBatch:
    """Readings numbered from `at`: 1 ms apart, with values that do not compress."""
    number = np.arange(at, at + count)
    return ReadingBatch(
        (number % points + 1).astype(np.uint32),
        START + number * 1_000,
        np.sin(number.astype(np.float64) ** 2),
        np.zeros(count, np.uint16),
    )


@pytest.fixture
def batch() -> Callable[..., ReadingBatch]:
    return make_batch


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A mounted file system of 2 MB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "busbar-test", folder],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
