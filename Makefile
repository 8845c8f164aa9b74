# Two commands set everything up on a machine with Python 3.11 and make:
#   make demo   installs opbx into .venv and shows it at work
#   make test   installs the tools too and runs everything that CI runs
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Where a shell forbids Python to keep what it compiled, each of the hundreds of processes that
# the tests start would compile opbx anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint unit fuzz bench clean

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
	$(BIN)/pytest -n 3 --dist worksteal --cov --cov-branch --cov-report=term

# Feeds every parser of what others wrote with inputs that are nearly right.
SECONDS ?= 60
fuzz: $(VENV)/.installed
	PYTHONPATH=tests $(BIN)/python -m fuzz $(SECONDS)

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
