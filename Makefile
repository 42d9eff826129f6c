# `make demo` and `make test` are all a newcomer needs; each sets up what is missing.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
STAGE ?= dev

VENV := .venv
PYTHON := $(VENV)/bin/python
PYTEST := $(PYTHON) -m pytest
ifdef QUICK
DEMO_OPTIONS := --quick
endif

.PHONY: help setup demo up down env test check bench deploy clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready node_modules/.ready ## install what is missing or out of date

demo: setup ## run every workflow on real input (QUICK=1 leaves out what takes long)
	@$(PYTHON) -m local demo $(DEMO_OPTIONS)

up: setup ## start the local AWS and deploy what has changed
	@$(PYTHON) -m local up

down: ## stop the local AWS; nothing is left behind
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m local down; else echo "Nothing was running."; fi

env: $(VENV)/.ready ## print exports for AWS clients: eval "$(make -s env)"
	@$(PYTHON) -m local env

test: setup ## the whole test suite
	@$(PYTEST) tests --ignore tests/e2e/load
	@$(PYTEST) tests/e2e/load -n 0 # takes both processors: nothing runs beside it

check: setup ## lint, types, state machine and template rules
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@$(PYTEST) tests/statemachines/test_*.py tests/template

bench: setup ## benchmarks: a table, and JSON in bench/results/
	@$(PYTHON) -m bench

deploy: setup ## to your AWS account: make deploy STAGE=dev
	@npx serverless deploy --stage $(STAGE)

clean: ## stop all of this checkout's local AWSs and remove what was installed or built
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m local down --all; fi
	@rm -rf $(VENV) node_modules .serverless .stepworks .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/.ready: requirements.txt requirements-dev.txt
	@python="$$(local/tools.sh python)" && echo "Setting up $(VENV) with $$("$$python" --version) …" >&2 \
	  && "$$python" -m venv --clear $(VENV) \
	  && $(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

node_modules/.ready: package.json package-lock.json
	@local/tools.sh node >/dev/null && echo "Installing the Serverless Framework (osls) …" >&2 \
	  && npm ci --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@
