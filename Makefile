# Tenure. `make help` lists what can be made; every target installs what it lacks.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
STACK ?= compose
READY := .venv/.ready
export PYTHONPATH := $(CURDIR)

.PHONY: help demo up test check bench e2e soak fmt schemas lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  \033[36mmake %-9s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Tenure needs Python 3.11 or newer: make PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	@echo "Installing the pinned Python packages into .venv (about 40 s, once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## fourteen months of subscriptions in under a minute, on the real stack
	@$(BIN)/tenure demo

up: $(READY) ## the whole system in real time until Ctrl-C; its state stays in .data/
	@$(BIN)/tenure up

test: check ## everything that must pass: check, then all tests on real Kafka, PostgreSQL and SMTP
	@echo "Preparing the embedded stack (Kafka, PostgreSQL, mailbox) ..."
	@$(BIN)/python -m devstack fetch
	@$(BIN)/python -m pytest -n 2 --dist loadgroup tests

check: $(READY) ## style, types, import arrows, published schemas
	@echo "Checking style, types, arrows and schemas ..."
	@$(BIN)/ruff format --check --quiet . || { echo "Some files are not formatted: run 'make fmt'."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > .lint-imports.log 2>&1 || { cat .lint-imports.log; exit 1; }
	@$(BIN)/python -m contracts.schema_files check
	@$(BIN)/python -m ops.scenario.schema_file check
	@$(BIN)/python -m ops.rules_page check
	@$(BIN)/python -m contracts.compatibility

bench: $(READY) ## throughput and latency beside the floor and a Faust agent, in one run
	@$(BIN)/python -m devstack fetch
	@$(BIN)/python -m bench

e2e: $(READY) ## the whole system from outside: in containers, or STACK=embedded
	@if [ $(STACK) = embedded ]; then $(BIN)/python -m devstack fetch; fi
	@STACK=$(STACK) $(BIN)/python -m pytest tests/e2e

soak: $(READY) ## the long matrix: crash points many times, random kills, many long lives, a watched year
	@$(BIN)/python -m devstack fetch
	@SOAK=1 $(BIN)/python -m pytest -n 1 --timeout 1800 tests/crash tests/domain/test_invariants.py tests/watch/test_year.py

fmt: $(READY) ## format the code
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --quiet --fix .

schemas: $(READY) ## write anew what is made from code: JSON Schemas, docs/rules.md
	@$(BIN)/python -m contracts.schema_files write
	@$(BIN)/python -m ops.scenario.schema_file write
	@$(BIN)/python -m ops.rules_page write

lock: ## resolve the pinned packages anew (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --extra devstack --extra dev pyproject.toml -o requirements-dev.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links -c requirements-dev.lock pyproject.toml -o requirements.lock

clean: ## remove the virtual environment, caches and local state (.data/)
	rm -rf .venv .data .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis mutants
