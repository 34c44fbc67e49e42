# Set-up and the main jobs. Everything stays inside this folder: the virtual environment, caches, the warehouse.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export UV_CACHE_DIR := $(CURDIR)/.cache/uv
# pip asks for the version of rustc, and a rustc of rustup's writes its settings on being asked.
export RUSTUP_HOME ?= $(CURDIR)/.cache/rustup

# Dagster's own look at the definitions, with the settings that keep it from calling home.
DG_HOME := $(CURDIR)/.cache/dagster
DG := VIRTUAL_ENV=$(CURDIR)/$(VENV) DAGSTER_HOME=$(DG_HOME) $(BIN)/dg

# Each command is a process of its own: where Python keeps no compiled modules, each compiles them all.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run test test-fast ui lint audit bench bench-quick docs setup clean

run: $(READY)
	@$(BIN)/ft-emissions run --landing examples/landing --warehouse warehouse

# Who is done takes over tests of who is not, so that no file is the tail of one core. Each has a core
# of its own: two threads of linear algebra would wait for each other there.
PYTEST := OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal

test: $(READY)
	@$(PYTEST)

test-fast: $(READY)
	@$(PYTEST) -m "not slow"

ui: $(READY)
	@$(BIN)/ft-emissions ui --landing examples/landing --warehouse warehouse

lint: $(READY)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	@mkdir -p $(DG_HOME) && cp assets/dagster.yaml $(DG_HOME)
	@$(DG) check defs && $(DG) list defs >/dev/null

# Each figure beside a baseline that does the same work; DuckDB and polars are group `bench`.
bench: $(READY)
	@$(BIN)/python -m benchmarks --page docs/benchmarks.md

# Small sizes: a wrong result fails, a slow one never.
bench-quick: $(READY)
	@$(BIN)/python -m benchmarks --quick

# Licences of all that is locked, and a bill of materials to be put beside a release.
audit: $(READY)
	@$(BIN)/python -m docs.audit

# Its tools have an environment of their own: neither pipeline nor tests need them.
SITE := .cache/site
docs: $(SITE)/.ready
	@$(SITE)/bin/mkdocs build --strict --quiet
	@echo "Site: site/index.html"

$(SITE)/.ready: requirements-docs.lock $(READY)
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(SITE)
	@$(BIN)/uv pip install --quiet --python $(SITE)/bin/python --require-hashes -r requirements-docs.lock
	@touch $@

setup: $(READY)

# pip fetches only uv, which installs the locked set about ten times faster than pip would.
$(READY): requirements.lock requirements-installer.lock pyproject.toml
	@echo "Setting up $(VENV) from requirements.lock ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-installer.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

clean:
	rm -rf $(VENV) .cache warehouse site
