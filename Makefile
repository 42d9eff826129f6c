# `make demo` and `make test` are enough to start with. Each installs what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
STAGE ?= dev
MINUTES ?= 60

VENV := .venv
PYTHON := $(VENV)/bin/python
PYTEST := $(PYTHON) -m pytest
DEMO_OPTIONS := $(if $(QUICK),--quick) $(if $(VERBOSE),--verbose) $(if $(LARGE),--large)
# Tests wait much of their time, for processes and for what happens in the background; those of
# `make test-fast` less.
PROCESSORS = $(shell getconf _NPROCESSORS_ONLN)
WORKERS = $(shell expr 3 '*' $(PROCESSORS))
FAST_WORKERS = $(shell expr 2 '*' $(PROCESSORS))
# The suites that need neither the local AWS nor Node.js.
FAST_SUITES := tests/unit tests/integration tests/statemachines tests/docs
# The tests of `make check`. `make test` runs them too, so CI leaves them out here: `make check RULES=`.
RULES := tests/statemachines/test_*.py tests/template

# Without byte code, each process compiles the tests and handlers again: seconds for each worker.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup setup-tests demo up down env test test-fast watch check faults bench load soak deploy verify console clean

help: ## list all commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready node_modules/.ready ## install what the demo and deployments need

setup-tests: $(VENV)/.ready-dev node_modules/.ready ## also install what the tests and checks need

demo: setup ## run every workflow on real input (QUICK=1: skip slow parts; VERBOSE=1: show every step; LARGE=1: also a million rows)
	@$(PYTHON) -m local demo $(DEMO_OPTIONS)

up: setup ## start the local AWS and deploy what has changed
	@$(PYTHON) -m local up

down: ## stop the local AWS and remove all it has written
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m local down; else echo "Nothing was running."; fi

env: $(VENV)/.ready ## print exports for AWS clients: eval "$(make -s env)"
	@$(PYTHON) -m local env

test: setup-tests ## run all tests
	@$(PYTEST) tests -m "not alone" -n $(WORKERS)
	@$(PYTEST) tests/e2e tests/browser -m alone -n 3

test-fast: $(VENV)/.ready-dev ## run the tests that need no server and no Node.js, without the slow ones
	@$(PYTEST) $(FAST_SUITES) -m "not slow" -n $(FAST_WORKERS) --hypothesis-profile "few examples"

watch: $(VENV)/.ready-dev ## run a workflow's tests on every change: make watch WORKFLOW=sensor
	@$(PYTHON) -m tests.watch $(WORKFLOW)

check: setup-tests ## check lint, types, state machine rules and template rules
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@$(if $(RULES),$(PYTEST) $(RULES))

faults: $(VENV)/.ready-dev ## let every call to AWS fail in every way, and check what each workflow promises
	@$(PYTHON) -m faults --page

bench: setup-tests ## run benchmarks: a table, and JSON in bench/results/
	@$(PYTHON) -m bench

load: setup-tests ## run the full load on the local AWS; write its figures to docs/reliability.md
	@$(PYTEST) tests/e2e -m load --full-load -n 0

soak: setup-tests ## run mixed traffic with random faults: make soak MINUTES=60 (SEED=…: the same choices)
	@$(PYTHON) -m tests.e2e.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

deploy: setup ## deploy to your AWS account: make deploy STAGE=dev
	@npx serverless deploy --stage $(STAGE)

verify: $(VENV)/.ready-dev ## check a deployed stage from outside: make verify STAGE=dev (YES=1 for prod; CHECKS="a b": only these)
	@$(PYTHON) -m ops verify --stage $(STAGE) $(if $(YES),--yes) $(CHECKS:%=--check %)

console: setup ## serve the console of a deployed stage, read-only: make console STAGE=dev (ALLOW_WRITES=1)
	@$(PYTHON) -m console --stage $(STAGE) --event-catalogue events/catalogue.yml $(if $(ALLOW_WRITES),--allow-writes)

clean: ## stop every local AWS of this checkout and remove what was installed or built
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m local down --all; fi
	@rm -rf $(VENV) node_modules .serverless .stepworks .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/.ready: requirements.txt requirements-local.txt
	@python="$$(local/tools.sh python)" && echo "Setting up $(VENV) with $$("$$python" --version) …" >&2 \
	  && "$$python" -m venv --clear $(VENV) \
	  && $(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements-local.txt
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements-dev.txt
	@echo "Installing what the tests need …" >&2
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

node_modules/.ready: package.json package-lock.json
	@local/tools.sh node >/dev/null && echo "Installing the Serverless Framework (osls) …" >&2 \
	  && npm ci --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@
