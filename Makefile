# Needs only make and a Python 3.11 or 3.12. Everything else goes into .venv, from the lock.
PYTHON ?= python3
PORT ?= 8000
UV := 0.13.9
BIN := .venv/bin
# Lint loads the settings as the tests do: without secrets, and unable to reach an account.
TESTING := IAMCLEANUP_TEST=1
TEMPLATES := $(shell find templates demo/templates -name '*.html' 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-reset test test-all lint format bench bench-pages proof

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: .venv/.made-from-lock ## Make .venv from uv.lock

.venv/.made-from-lock: uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || \
		{ echo "IAM Cleanup needs Python 3.11 or 3.12; $(PYTHON) is another. Try: make PYTHON=python3.12 setup"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV)
	@echo "Installing the locked dependencies"
	@$(BIN)/uv sync --frozen --quiet --python $(BIN)/python
	@touch $@

demo: setup ## Run everything here, against a simulated AWS account (PORT=8000)
	@PORT=$(PORT) $(BIN)/python -m demo

demo-reset: setup ## Forget the demo's data, so that the next `make demo` starts over
	@$(BIN)/python -m demo --reset

test: setup ## Run the tests
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow"

test-all: setup ## Run the tests, the slow ones too
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: setup ## Check style, types, imports, schema migrations, templates and the lock
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(TESTING) $(BIN)/mypy
	$(BIN)/lint-imports
	$(TESTING) $(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(if $(TEMPLATES),$(BIN)/djade --check --target-version 5.2 $(TEMPLATES))
	$(if $(TEMPLATES),$(BIN)/djlint --quiet --lint $(TEMPLATES))
	env -u UV_INDEX -u UV_DEFAULT_INDEX -u UV_EXTRA_INDEX_URL $(BIN)/uv lock --check --offline --quiet

format: setup ## Rewrite code and templates in the house style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(if $(TEMPLATES),$(BIN)/djade --target-version 5.2 $(TEMPLATES))

bench: setup ## Measure starts, first sync and memory of the demo
	$(BIN)/python -m bench

bench-pages: setup ## Measure pages with 100,000 users, and write docs/bench/pages.md
	$(BIN)/python -m bench.pages

proof: setup ## Measure whether the tests bite, and write docs/proof.md
	$(BIN)/python -m tests.proof all
