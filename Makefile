# Every target sets up what it needs on a machine that has only Python 3.11 (or newer) and make.
PYTHON  ?= $(shell command -v python3.11 || command -v python3)
VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
SEED    ?=
WORKERS ?= 3

.PHONY: help demo up test chaos check bench lock clean

help:                   ## what can be asked of this file
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## /\1\t/' | expand -t 10

$(READY): pyproject.toml constraints.txt
	@echo "==> setting up $(VENV) with $(PYTHON) (about a minute the first time)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(READY)

demo: $(READY)          ## the main job on real input, told stage by stage (under 90 s)
	@$(BIN)/python -m examples.demo

up: $(READY)            ## the whole stack in the foreground, until Ctrl-C
	@$(BIN)/tocsin up

test: $(READY)          ## all tests, against real parts (about 7 minutes)
	@echo "==> tests: a real Redis, real Celery workers, real HTTP and SMTP servers, in $(WORKERS) processes"
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) $(if $(SEED),--randomly-seed=$(SEED),)

chaos: $(READY)         ## every fault, and what became of each accepted record (under 10 minutes)
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED),)

check: $(READY)         ## linters, types, direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)         ## benchmarks beside what a user would pick instead
	@$(BIN)/python -m benchmarks.logger
	@$(BIN)/python -m benchmarks.guest
	@$(BIN)/python -m benchmarks.caller
	@$(BIN)/python -m benchmarks.pipeline
	@$(BIN)/python -m benchmarks.alert
	@$(BIN)/python -m benchmarks.growth
	@$(BIN)/python -m benchmarks.realtime
	@$(BIN)/python -m benchmarks.scan

lock: $(READY)          ## newest versions into constraints.txt
	$(BIN)/python -m pip install --quiet --upgrade --upgrade-strategy eager --editable '.[dev]'
	$(BIN)/python -m pip freeze --exclude-editable > constraints.txt

clean:                  ## remove what the targets made
	rm -rf $(VENV) .tocsin .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
