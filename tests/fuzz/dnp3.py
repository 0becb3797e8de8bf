"""Coverage-guided fuzzing of the DNP3 stack: `python -m tests.fuzz.dnp3 CORPUS [-runs=N …]`.

The corpus begins with what our own encoders make and grows with whatever reaches new code. A crash
leaves its input in the working directory; `python -m tests.fuzz.dnp3 FILE` shows it again.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["drivers.dnp3"]):
    from tests.fuzz import dnp3_target


def main() -> None:
    for place in map(Path, (a for a in sys.argv[1:] if not a.startswith("-"))):
        if place.is_file():
            continue
        place.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(dnp3_target.seeds()):
            (place / f"seed-{number:03}").write_bytes(seed)
    atheris.Setup(sys.argv, dnp3_target.one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
