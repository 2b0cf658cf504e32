# Wayside: set-up, demo, tests, benchmarks. Needs Python ≥ 3.11 and make; everything else is installed into .venv.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
DURATION ?=

.PHONY: help setup demo test unit joint bench bench-effect soak images check format clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# A stamp is newer than pyproject.toml when the environment fits it: .demo for what the demo needs, .installed for all.
define venv
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"Wayside needs Python 3.11 or newer, this is {v[0]}.{v[1]}: make PYTHON=python3.12 …")'
	@test -x $(BIN)/python || { echo "→ making .venv"; $(PYTHON) -m venv .venv || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }; }
	@echo "→ installing Wayside and what it needs into .venv (a minute or two; SUMO's library is 100 MB of it)"
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on -e '.[$(1)]' | grep -vE '^(Requirement already|  )' || exit 1
	@touch $(2)
endef

.venv/.demo: pyproject.toml
	$(call venv,sim,.venv/.demo)

.venv/.installed: pyproject.toml
	$(call venv,test,.venv/.installed .venv/.demo)

setup: .venv/.installed ## install everything into .venv

demo: .venv/.demo ## the whole way on this computer: map on http://127.0.0.1:8080 (DURATION=30 ends by itself)
	@$(BIN)/python -m wayside.sim.demo $(if $(DURATION),--duration $(DURATION))
	@if [ -n "$(DURATION)" ]; then $(BIN)/python -m wayside.sim.check_report; fi

test: check unit joint ## format, lint, types, then all tests

unit: setup ## fast tests only
	@$(BIN)/python -m pytest -q -m "not joint"

joint: setup ## tests that use real sockets, processes and a browser
	@$(BIN)/python -m pytest -q -m joint --timeout 300

check: setup ## format, lint, types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: setup ## write the format that `make check` wants
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup ## figures beside floors and peers (the effect on traffic: bench-effect)
	@for program in $(filter-out bench/effect.py,$(wildcard bench/*.py)); do echo "== $$program"; $(BIN)/python $$program; done

bench-effect: setup ## traffic with and without warnings over 30 seeds (SHORT=1: three)
	@$(BIN)/python bench/effect.py $(if $(SHORT),--short)

soak: setup ## long runs: kills of edge and broker, 100 vehicles with memory watched, an hour of clean traffic a road
	@$(BIN)/python -m wayside.sim.soak

images: ## container images of edge and centre by buildah, each run once
	@deploy/containers/build
	@deploy/containers/smoke.py

clean: ## remove what was made
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis var build dist
