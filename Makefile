# `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
JOBS ?= 2
FUZZ_MINUTES ?= 10

.PHONY: help dev demo test property fuzz lint format type arch check e2e bench generate lock wheel clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements/dev.lock requirements/fast.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "imagegate needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python && $(BIN)/python -c 'import pip' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV) || { echo "this Python cannot make virtual environments: install its venv module (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/fast.lock >/dev/null 2>&1 || echo "no C compiler: the webhook uses gunicorn's Python parser"
	@touch $(STAMP)

dev: $(STAMP) ## make .venv with everything in it (.venv/bin/gate)

demo: $(STAMP) ## run the whole gate on this machine: registry, signed images, webhook
	@$(BIN)/gate demo

test: $(STAMP) ## run the tests
	$(BIN)/python -m pytest -n $(JOBS) tests -m "not e2e and not property"

property: $(STAMP) ## search harder for counter-examples (Hypothesis)
	$(BIN)/python -m pytest -n $(JOBS) tests -m property

fuzz: $(STAMP) ## the same searches for FUZZ_MINUTES (default 10) minutes
	@end=$$(($$(date +%s) + 60 * $(FUZZ_MINUTES))); while [ $$(date +%s) -lt $$end ]; do FUZZ=1 $(BIN)/python -m pytest -q -n $(JOBS) tests/property tests/differential -m property || exit 1; done

lint: $(STAMP) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP) ## apply ruff's fixes and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: $(STAMP) ## mypy --strict, tests too
	$(BIN)/mypy

arch: $(STAMP) ## the layers of docs/architecture.md, by import-linter
	$(BIN)/lint-imports

check: lint type arch property ## all static checks and the property searches

e2e: $(STAMP) ## real cosign, registries and API server, built once into a cache folder
	$(BIN)/python -m pytest tests/e2e -m e2e -rs

bench: $(STAMP) ## measure; writes docs/performance.md
	$(BIN)/python -m bench.run

generate: $(STAMP) ## write what comes from the schema of policies: editors' schema, CRDs, reference
	@$(BIN)/python -m docs.generate

lock: ## refresh requirements/*.lock from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml -o requirements/run.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml --group dev -o requirements/dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header requirements/fast.in -o requirements/fast.lock

wheel: $(STAMP) ## build dist/*.whl
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation -w dist .

clean: ## remove what make made
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
