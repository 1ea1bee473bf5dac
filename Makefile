# Everything here bootstraps itself: a fresh machine needs only Python 3.11 or newer, make and git.
.DEFAULT_GOAL := help
SHELL := /bin/sh

PYTHON ?= python3
UV_VERSION := 0.13.8
UV := .bootstrap/uv-$(UV_VERSION)/bin/uv
BIN := .venv/bin
PACKAGES := kernel process_engine knowledge execution_api agent_pod delivery importing orchestrators offline_model fleet

# The interpreter that runs make is the one that is used; uv fetches none. Links fail across file systems, copies do not.
export UV_PYTHON := $(PYTHON)
export UV_PYTHON_DOWNLOADS := never
export UV_LINK_MODE := copy

.PHONY: help demo test test-all check bench chaos format clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/ready ## Run five requests through a whole fleet, on this project's own documents
	@$(BIN)/fleet demo

test: .venv/ready ## Run the test suite
	@$(BIN)/python -m pytest -m "not chaos" -n auto --dist loadfile

test-all: test ## Run the test suite with the slow tests that kill and freeze things
	@$(BIN)/python -m pytest -m chaos

check: .venv/ready ## Format, lint, types, import contracts, lock file
	@$(UV) lock --check -q
	@$(UV) lock --check -q --script orchestrators/crewai_action/run.py
	@$(BIN)/ruff format --check -q .
	@$(BIN)/ruff check -q .
	@$(BIN)/lint-imports --no-logo 2>/dev/null | tail -n 1
	@$(BIN)/lint-imports >/dev/null
	@$(BIN)/pyright
	@test ! -e a2a/__init__.py || { echo "a2a is a package of PyPI: a folder of that name with an __init__.py would hide it."; exit 1; }

bench: .venv/ready ## Measure the queue, the pod and the engine, side by side with plain PostgreSQL
	@$(BIN)/python -m benchmarks

chaos: .venv/ready ## Throw faults at a whole fleet and count what came of it; SEED=, INSTANCES=, SECONDS=, FAULTS=
	@$(BIN)/python -m chaos $(if $(SEED),--seed=$(SEED)) $(if $(INSTANCES),--instances=$(INSTANCES)) \
		$(if $(SECONDS),--seconds=$(SECONDS)) $(if $(FAULTS),--faults=$(FAULTS))

format: .venv/ready ## Format and mend what can be mended
	@$(BIN)/ruff check -q --fix . ; $(BIN)/ruff format -q .

clean: ## Remove what was built here
	rm -rf .venv .bootstrap .fleet dist

.venv/ready: $(UV) pyproject.toml uv.lock
	@$(UV) sync --locked -q
	@touch $@

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Set PYTHON=python3.11 or newer.") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv .bootstrap/uv-$(UV_VERSION) || { echo "This Python cannot make virtual environments: install its venv package (Debian: apt install python3-venv)."; exit 1; }
	@.bootstrap/uv-$(UV_VERSION)/bin/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@
