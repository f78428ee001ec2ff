# `make` alone lists the targets. Settings: PORT, HOST, WORKERS, DATA_DIR, REDIS_URL, AWS_ENDPOINT_URL (see docs/settings.md).
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
VENV_LOCALSTACK := .venv-localstack
BIN := $(VENV)/bin
DATA_DIR ?= .data
PORT ?= 8000
HOST ?= 127.0.0.1
export DATA_DIR PORT HOST PYTHON

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 21

.PHONY: run
run: install ## the whole service on this machine: HTTP, workers, queue, store
	@exec $(BIN)/python -m local

.PHONY: workers
workers: install ## all but HTTP, for `make local-http` (chalice local) in another terminal
	@exec $(BIN)/python -m local --no-http

.PHONY: local-http
local-http: install ## `chalice local` on what `make workers` runs
	@test -f "$$DATA_DIR/env" || { echo "$$DATA_DIR/env is missing: start 'make workers' in another terminal first"; exit 1; }
	@host=$$HOST port=$$PORT; . "$$DATA_DIR/env"; HOST=$$host PORT=$$port "$(BIN)/python" -m local --check; exec "$(BIN)/chalice" local --no-autoreload --host "$$host" --port "$$port"

.PHONY: doctor
doctor: install ## what is wrong with the local stack, or with a deployed one (STAGE=prod), and what to do
	@$(BIN)/python -m doctor $(if $(STAGE),--stage $(STAGE)) $(DOCTOR_ARGS)

.PHONY: test
test: install ## every test (with CI=true a missing server fails instead of skipping)
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

.PHONY: lint
lint: install ## lint, format, types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

.PHONY: check
check: lint ## the gate: lint, format, types, tests
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

.PHONY: hooks
hooks: install ## a git hook that runs `make lint` before each commit
	@$(BIN)/pre-commit install

SEEDS ?= 1000
.PHONY: simulate
simulate: install ## SEEDS runs of the engine in virtual time, each with its own workflows and faults
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS)

.PHONY: mutants
mutants: install ## break one line of the engine at a time: how many seeds until the simulation notices?
	@$(BIN)/python -m tests.simulation.mutants

SAMPLE ?= 100
SEED ?= 1
.PHONY: mutation
mutation: install .venv-mutation/.installed ## break one thing at a time: which tests notice? SAMPLE (100) of each package by SEED; ALL=1 overnight
	@.venv-mutation/bin/python -m tests.mutation $(if $(ALL),--all,--sample $(SAMPLE)) --seed $(SEED) $(if $(ONLY),--only $(ONLY)) $(if $(LINES),--lines $(LINES)) $(MUTATION_ARGS)

.venv-mutation/.installed: locks/dev.txt locks/mutation.txt
	@local/install.sh .venv-mutation "the mutation tester" $^ .

ROUNDS ?= 20
.PHONY: chaos
chaos: install ## ROUNDS of load on the whole service in its processes, which are killed, stopped and cut off meanwhile
	@$(BIN)/python -m tests.chaos --rounds $(ROUNDS)

.PHONY: package
package: $(VENV)/.installed ## the zip and the CloudFormation template of STAGE (dev), into build/
	@$(BIN)/python -m deploy package $(if $(STAGE),--stage $(STAGE))

.PHONY: deploy
deploy: $(VENV)/.installed ## STAGE (dev) on AWS: PARAMS="Name=Value ..." sets parameters of the template (docs/deploy.md)
	@$(BIN)/python -m deploy deploy $(if $(STAGE),--stage $(STAGE)) $(PARAMS) $(DEPLOY_ARGS)

.PHONY: destroy
destroy: $(VENV)/.installed ## delete STAGE (dev) from AWS, with all that is in it (YES=1: without asking)
	@$(BIN)/python -m deploy destroy $(if $(STAGE),--stage $(STAGE)) $(if $(YES),--yes)

.PHONY: test-cloudformation
test-cloudformation: install .venv-localstack-full/.installed ## deploy the template into LocalStack without Docker, and run workflows there
	@CI=true $(BIN)/python -m pytest -m slow tests/cloudformation

.PHONY: deploy-local
deploy-local: install ## the same into LocalStack with Docker (localstack-compose.yml)
	@docker compose -f localstack-compose.yml up --wait cloud valkey
	@AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test \
		$(BIN)/python -m deploy deploy --stage dev RedisUrl=redis://valkey:6379/0 $(PARAMS)

# An engine that cannot be installed is left out of the report, which says so.
BENCH_ENGINES := celery rq dask dbos dagster prefect restate
RESTATE_SERVER := @restatedev/restate-server@1.7.12
.PHONY: bench
bench: install $(BENCH_ENGINES:%=.venv-bench-%/.installed) .venv-bench-restate/node_modules ## dag-service and its peers, side by side (BENCH_ARGS=--quick: 3 minutes)
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

.venv-bench-%/.installed: locks/bench-%.txt
	-@local/install.sh .venv-bench-$* $* $<

.venv-bench-restate/node_modules: .venv-bench-restate/.installed
	-@if command -v npm >/dev/null; then \
		npm install --silent --no-audit --no-fund --ignore-scripts --prefix .venv-bench-restate $(RESTATE_SERVER); \
	else echo "Restate is left out: its server comes by npm, and there is no node here"; fi

.PHONY: install
install: $(VENV)/.installed $(VENV_LOCALSTACK)/.installed ## the two virtual environments, where missing or out of date

# A lock that changed is newer than the stamp `.installed`.
$(VENV)/.installed: locks/dev.txt
	@local/install.sh $(VENV) "the service and its tools" $< .

$(VENV_LOCALSTACK)/.installed: locks/localstack.txt
	@local/install.sh $(VENV_LOCALSTACK) "LocalStack (the local SQS)" $<

.venv-localstack-full/.installed: locks/localstack-full.txt
	@local/install.sh .venv-localstack-full "LocalStack with CloudFormation (500 MB)" $<

.PHONY: lock
lock: .venv-lock/.installed ## locks/ and requirements.txt from the lists in pyproject.toml (UPGRADE=1: the newest versions that fit)
	@local/lock.sh

.PHONY: dist
dist: $(VENV)/.installed ## sdist and wheel in dist/; the wheel is tried in a fresh virtual environment
	@rm -rf dist .venv-dist
	@$(BIN)/python -m build --no-isolation --outdir dist >/dev/null
	@$(BIN)/python -m venv .venv-dist && .venv-dist/bin/python -m pip install --quiet --disable-pip-version-check dist/*.whl
	@.venv-dist/bin/dag --version && ls dist/*

.venv-lock/.installed: locks/lock.txt
	@local/install.sh .venv-lock "what makes locks" $<

.PHONY: clean
clean: ## remove what runs and installs left behind, data included
	@"$$PYTHON" -I -B local/folder.py "$$DATA_DIR"
	@for venv in .venv .venv-*; do \
		if [ -f "$$venv/.installed" ] || [ -f "$$venv/pyvenv.cfg" ]; then rm -rf -- "$$venv"; fi; \
	done
	@rm -rf -- .pytest_cache .mypy_cache .ruff_cache .hypothesis .schemathesis .chalice/deployments build dist *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf -- {} +
