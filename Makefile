# Bare `make` lists the verbs. CI calls the same ones.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.PHONY: help
help: ## List the verbs
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: demo
demo: $(VENV)/.installed ## Run the server with a live test picture and a watch page (Ctrl-C ends it)
	@$(BIN)/headwater demo

.PHONY: serve
serve: $(VENV)/.installed ## Run the server
	@$(BIN)/headwater serve

.PHONY: test
test: system-tools players sdks check ## Install what the tests need, then run all checks and tests
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target unit e2e-shared
	@$(MAKE) --no-print-directory e2e-apart

.PHONY: setup
setup: $(VENV)/.developer ## Make the virtual environment with everything for development

.PHONY: check
check: setup ## Format, lint, types and import layers
	@$(MAKE) --no-print-directory --jobs --output-sync=target check-types check-style check-layers

.PHONY: check-types check-style check-layers
check-types:
	$(BIN)/mypy
check-style:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
check-layers:
	$(BIN)/lint-imports

.PHONY: format
format: setup ## Format the code and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# A file's tests stay in one process, as they share servers and databases.
PYTEST := $(BIN)/python -m pytest --durations=10 --dist loadfile
CORES := $(shell getconf _NPROCESSORS_ONLN)

# Beside the end-to-end tests, which wait most of the time, these take what is left.
.PHONY: unit
unit: setup ## Tests of the parts
	nice $(PYTEST) --ignore tests/e2e -n $(CORES)

E2E := $(PYTEST) tests/e2e --no-loadscope-reorder

.PHONY: e2e
e2e: e2e-shared e2e-apart ## Tests with real encoders, SDKs and a browser

.PHONY: e2e-shared
e2e-shared: setup
	$(E2E) -m "not real_time and not alone" -n $$((2 * $(CORES)))

.PHONY: e2e-apart
e2e-apart: setup
	$(E2E) -m real_time -n $(CORES)
	$(E2E) -m alone

FUZZ_SECONDS ?= 60
FUZZ_VENV := .venv-fuzz

.PHONY: fuzz
fuzz: $(FUZZ_VENV)/.installed ## Search for bytes that break ingest, FUZZ_SECONDS=60 for each target
	@for target in rtmp_session amf0 timeline proxy; do \
		mkdir -p .fuzz/$$target; \
		PYTHONPATH=fuzz $(FUZZ_VENV)/bin/python fuzz/run.py $$target -max_total_time=$(FUZZ_SECONDS) \
			-max_len=4096 -print_final_stats=1 -artifact_prefix=.fuzz/$$target- \
			.fuzz/$$target fuzz/corpus/$$target || exit 1; \
	done

$(FUZZ_VENV)/.installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Headwater needs Python 3.11 or newer; none was found." >&2; exit 1; }
	@$(PYTHON) -m venv $(FUZZ_VENV)
	@$(FUZZ_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(FUZZ_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable . --group fuzz
	@touch $@

BENCH_VENV := .venv-bench
BENCH := PYTHONPATH=tests $(BIN)/python benchmarks
MINUTES ?= 5

.PHONY: bench
bench: setup bench-tools ## Measure beside nginx, ffmpeg and moto: the API, processor time, delivery, waiting viewers, transcoding, latency, memory
	$(BENCH)/store.py
	$(BENCH)/lists.py
	$(BENCH)/api.py
	$(BENCH)/ingest.py
	$(BENCH)/delivery.py
	$(BENCH)/waiting_viewers.py
	$(BENCH)/transcode.py
	$(BENCH)/glass_to_glass.py
	$(BENCH)/soak.py --minutes $(MINUTES)

.PHONY: soak
soak: setup bench-tools ## Watch memory over MINUTES=60 while viewers come and go
	$(BENCH)/soak.py --minutes $(MINUTES)

.PHONY: soak-transcode
soak-transcode: setup bench-tools ## Watch transcoding over MINUTES=60: memory, picture and sound in step
	$(BENCH)/soak_transcode.py --minutes $(MINUTES)

STREAMS ?= 20

.PHONY: soak-recording
soak-recording: setup system-tools ## Record STREAMS=20 of 6 Mb/s for MINUTES=20 into an S3 service, and see whether anything is lost
	$(BENCH)/soak_recording.py --minutes $(MINUTES) --streams $(STREAMS)

.PHONY: bench-tools
bench-tools: system-tools $(BENCH_VENV)/.installed ## Install nginx, wrk, h2load and moto where they are missing
	@scripts/bench-tools

$(BENCH_VENV)/.installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Headwater needs Python 3.11 or newer; none was found." >&2; exit 1; }
	@$(PYTHON) -m venv $(BENCH_VENV)
	@$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --group bench
	@touch $@

.PHONY: docs
docs: setup ## Write the generated reference pages
	$(BIN)/headwater config reference > docs/reference/headwater.toml
	$(BIN)/python scripts/operations_page.py > docs/reference/operations.md
	$(BIN)/python scripts/errors_page.py > docs/reference/errors.md
	$(BIN)/python scripts/quotas_page.py > docs/reference/quotas.md
	$(BIN)/python scripts/client_code.py

.PHONY: players
players: ## Install the players that tests open in a browser (without npm those tests skip)
	@scripts/npm-packages .players video.js@8.24.1 shaka-player@5.2.12

.PHONY: sdks
sdks: ## Install the AWS SDK for JavaScript that tests call (without npm those tests skip)
	@scripts/npm-packages .sdks @aws-sdk/client-ivs@3.1136.0

.PHONY: system-tools
system-tools: ## Install ffmpeg, Chromium, GStreamer and PostgreSQL where they are missing
	@scripts/system-tools

.PHONY: clean
clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) $(FUZZ_VENV) $(BENCH_VENV) .fuzz .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Headwater needs Python 3.11 or newer; none was found." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "Python's venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "Installing Headwater into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.developer: pyproject.toml $(VENV)/.installed
	@echo "Installing the development tools into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev
	@touch $@
