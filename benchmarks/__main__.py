"""`python -m benchmarks [name ...]`: every benchmark, or those named."""

import importlib
import pkgutil
import sys

import benchmarks

OWN = {"__main__", "figures"}


def main() -> None:
    known = sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name not in OWN)
    chosen = sys.argv[1:] or known
    if unknown := set(chosen) - set(known):
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    for name in chosen:
        importlib.import_module(f"benchmarks.{name}").main()


main()
