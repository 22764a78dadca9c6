# Everything a fresh machine needs is Python 3.11, pip and make.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
export OMP_NUM_THREADS = 1

.PHONY: help demo test slow check bench docs clean

help:  ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

demo: $(VENV)/.demo  ## the whole loop on a real survey, about a minute
	$(BIN)/reticent demo

test: $(VENV)/.dev  ## the fast tests
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile

slow: $(VENV)/.dev  ## the tests that take minutes
	$(BIN)/pytest -m slow

check: $(VENV)/.dev  ## lint, types, imports, docs up to date
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/ruff format --check src tests benchmarks docs
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/build.py --check

bench: $(VENV)/.dev  ## peers, reproductions and soaks; rewrites the tables in docs/
	$(BIN)/python -m benchmarks.run

docs: $(VENV)/.dev  ## rewrite what is generated in docs/ and the README
	$(BIN)/python docs/build.py

clean:  ## remove the environment and every output
	rm -rf $(VENV) build dist reticent-out src/*.egg-info

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet -e ".[demo,serve]"
	touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet -e ".[demo,serve,dev]"
	touch $@ $(VENV)/.demo
