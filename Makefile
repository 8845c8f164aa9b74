# Two commands set everything up on a machine with Python 3.11 and make:
#   make demo   installs opbx into .venv and shows it at work
#   make test   installs the tools too and runs everything that CI runs
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# They repeat the same lines tens of thousands of times: counting them would only take time.
PROOFS := $(addprefix tests/store/test_,concurrency.py crashes.py life_of_a_store.py tampering.py vectors.py)

.PHONY: demo test lint unit bench clean

demo: $(VENV)/.installed
	@$(BIN)/opbx demo

test: lint unit

lint: $(VENV)/.installed
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/.installed
	$(BIN)/coverage erase
	$(BIN)/pytest -n 3 --cov --cov-branch --cov-report=term $(PROOFS:%=--ignore=%)
	$(BIN)/pytest -n 3 $(PROOFS)

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/store.py
	$(BIN)/python benchmarks/many_domains.py
	$(BIN)/python benchmarks/callbacks.py

clean:
	rm -rf $(VENV) .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# Installed again when what it depends on has changed; otherwise this costs nothing.
$(VENV)/.installed: pyproject.toml Makefile
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "opbx needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[keyring,sandbox]" --group dev
	@touch $@
