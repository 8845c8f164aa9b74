# Two commands set everything up on a machine with Python 3.11 and make:
#   make demo   installs opbx into .venv and shows it at work
#   make test   installs the tools too and runs everything that CI runs
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SITE_VENV := .venv-site
PACKAGING := .venv-packages
CODE := src tests benchmarks tools docs

# Where a shell forbids Python to keep what it compiled, each of the hundreds of processes that
# the tests start would compile opbx anew.
unexport PYTHONDONTWRITEBYTECODE

# uv brings a list of authorities along; pip asks the system, where a company's own are.
export UV_SYSTEM_CERTS := 1

# Fast, and at work where an assertion might do what has to be done.
WITHOUT_ASSERTIONS := tests/test_options.py tests/test_hardening.py tests/test_apply.py \
	tests/test_validate_all.py tests/test_configure.py tests/test_key.py tests/test_webhook_key.py \
	tests/test_key_delivery.py tests/test_trunks.py tests/test_profiles.py tests/test_exec.py \
	tests/test_storeless.py tests/test_webhook_url.py tests/store/test_store.py

# Most of the tests, in a fraction of the time of all: what starts no process for each of its cases.
QUICK := $(filter-out tests/test_hardening.py tests/test_webhook_key.py,$(WITHOUT_ASSERTIONS)) \
	tests/test_documents.py tests/test_env_file.py tests/test_error_codes.py \
	tests/test_history.py tests/test_imports.py tests/test_installation.py tests/test_instance.py tests/test_limiter.py \
	tests/test_manifest.py tests/test_packages.py tests/test_parse.py tests/test_plan.py tests/test_plan_words.py \
	tests/test_reports.py tests/test_retries.py tests/test_secret.py tests/test_status.py \
	tests/test_takeover.py tests/test_trunk_data.py tests/test_validate.py tests/test_values.py

.PHONY: demo test check format lint unit optimized fuzz reference completion pictures site bench \
	packages zipapp constraints mutants release sbom clean

demo: $(VENV)/.installed
	@$(BIN)/opbx demo

test: lint unit optimized

# What to run before each commit: under 40 seconds on two cores that have nothing else to do.
check: lint
	$(BIN)/pytest -q -n 2 --dist worksteal --no-cov $(QUICK)

format: $(VENV)/.installed
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

lint: $(VENV)/.installed
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/zizmor --offline --quiet --pedantic .github

unit: $(VENV)/.installed
	$(BIN)/coverage erase
	$(BIN)/pytest -n 3 --dist worksteal --cov --cov-branch --cov-report=term

# As under `python -O`. pytest compares by itself, and would only warn that Python does not.
optimized: $(VENV)/.installed
	PYTHONOPTIMIZE=1 $(BIN)/pytest -n 3 --dist worksteal -q \
	  -W "ignore:assertions not in test modules" $(WITHOUT_ASSERTIONS)

# Feeds every parser of what others wrote with inputs that are nearly right, in bounded memory.
SECONDS ?= 60
fuzz: $(VENV)/.installed
	PYTHONPATH=tests:tests/helpers $(BIN)/python -m fuzz $(SECONDS)

# Makes the reference from the program: pages, manual, schemas, and what completion offers; a test compares them.
reference: completion
	PYTHONPATH=tests:tests/helpers $(BIN)/python -m reference

# Runs opbx on a terminal and draws what it shows; a test says when the pictures are old.
pictures: $(VENV)/.installed
	PYTHONPATH=tests:tests/helpers $(BIN)/python -m pictures

# The documentation as a site, in site/: a warning is an error, and so is a request to elsewhere.
site: $(SITE_VENV)/.installed
	rm -rf site
	$(SITE_VENV)/bin/sphinx-build --fresh-env --quiet --fail-on-warning --keep-going \
	  -c docs -d $(SITE_VENV)/doctrees . site
	cp site/README.html site/index.html
	$(SITE_VENV)/bin/python tests/helpers/site_check.py site

# Writes what completion offers, from the tree of commands; a test compares both.
completion: $(VENV)/.installed
	PYTHONPATH=tests/helpers $(BIN)/python -m command_words
	$(BIN)/ruff format --quiet src/opbx_cli/completion/command_words.py

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/store.py
	$(BIN)/python benchmarks/many_domains.py
	$(BIN)/python benchmarks/fleet.py
	$(BIN)/python benchmarks/callbacks.py

# Builds what is published into dist/, twice, and installs it in every way that docs/install.md names,
# for each of these interpreters: make packages PYTHONS="python3.11 python3.14".
PYTHONS ?= $(PYTHON)
packages: $(VENV)/.installed $(PACKAGING)/.installed
	$(PACKAGING)/bin/hadolint Containerfile
	$(PACKAGING)/bin/python tools/try_packages.py $(PYTHONS)

# One file for this system, with everything in it: dist/opbx.pyz.
zipapp: $(PACKAGING)/.installed
	rm -rf dist
	$(PACKAGING)/bin/python -m hatchling build --target wheel --directory dist
	$(PACKAGING)/bin/python tools/build_zipapp.py dist/*.whl dist/opbx.pyz

# The newest versions that pyproject.toml allows, on every system and Python, with their hashes.
constraints: $(PACKAGING)/.installed
	$(PACKAGING)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --extra keyring \
	  --generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links \
	  --custom-compile-command "make constraints" --output-file constraints.txt pyproject.toml

# Changes the code that decides over calls and keys, one place at a time: a test has to fail.
# `make mutants GROUPS=retries` does a part.
GROUPS ?=
mutants: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "mutmut>=3.8,<4"
	$(BIN)/python tools/mutants.py $(GROUPS)

# `make release VERSION=x.y.z` checks, tests, builds and tries what would be published; with TAG=1 it
# also tags.
# docs/releasing.md has the steps around it.
release: $(VENV)/.installed
	$(BIN)/python tools/release.py check $(VERSION)
	$(MAKE) test packages
	$(PACKAGING)/bin/python tools/release.py compare $(VERSION)
	$(if $(TAG),$(BIN)/python tools/release.py tag $(VERSION))

# Lists what a fresh installation of the built wheel brings with it, as CycloneDX.
sbom:
	$(PYTHON) -m venv --clear --without-pip .sbom/installed
	$(PYTHON) -m venv --clear .sbom/tool
	.sbom/tool/bin/python -m pip install --quiet --disable-pip-version-check "cyclonedx-bom>=7,<8"
	.sbom/tool/bin/python -m pip --python .sbom/installed install --quiet \
	  --disable-pip-version-check "$$(ls dist/*.whl)[keyring]"
	.sbom/tool/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
	  --output-file dist/opbx-cli.cdx.json .sbom/installed

clean:
	rm -rf $(VENV) $(SITE_VENV) $(PACKAGING) site dist .mutants .sbom .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# Installed again when what it depends on has changed; otherwise this costs nothing.
$(VENV)/.installed: pyproject.toml Makefile
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "opbx needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[keyring]" --group dev
	@touch $@

# Apart, so that whoever works on opbx alone does without.
$(SITE_VENV)/.installed: pyproject.toml Makefile
	$(PYTHON) -m venv $(SITE_VENV)
	$(SITE_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(SITE_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --group site
	@touch $@

# What publishes and installs: not the suite's, which does without and has other versions to agree on.
$(PACKAGING)/.installed: pyproject.toml Makefile
	$(PYTHON) -m venv $(PACKAGING)
	$(PACKAGING)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(PACKAGING)/bin/python -m pip install --quiet --disable-pip-version-check --group packages
	@touch $@
