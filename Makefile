# `make demo` and `make test` set everything up by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format wheel bench-demo bench-env bench-tokens bench-train clean

help: ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

setup: $(STAMP) ## virtual environment with the pinned packages

$(STAMP): constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,serve,dev]'
	@touch $(STAMP)

demo: $(STAMP) ## the whole loop on real purchase cards, into ./warehouse
	$(BIN)/pragma demo

test: $(STAMP) ## all tests but the slow ones
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow"

test-slow: $(STAMP) ## the slow tests
	$(BIN)/pytest -m slow

lint: $(STAMP) ## ruff, mypy --strict, sqlfluff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint dbt_project/models

format: $(STAMP) ## what of lint can be mended by machine
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: $(STAMP) ## dist/pragma_sql-*.whl
	$(BIN)/python -m build --wheel

bench-demo: $(STAMP) ## time, CPU and memory of the demo, into docs/BENCHMARKS.md
	$(BIN)/python benchmarks/bench_demo.py

bench-env: ## the environment of the rival, for the benchmarks beside it
	test -x .venv-bench/bin/pragmatiq || { $(PYTHON) -m venv .venv-bench && \
	  .venv-bench/bin/pip install --quiet --disable-pip-version-check torch==2.13.0 && \
	  .venv-bench/bin/pip install --quiet --disable-pip-version-check 'pragmatiq[train]==1.1.0'; }

bench-tokens: $(STAMP) bench-env ## tokens beside the rival's, and at 10M and 100M events, into docs/BENCHMARKS.md
	$(BIN)/python benchmarks/bench_tokens.py

bench-train: $(STAMP) bench-env ## training speed beside the rival's, into docs/BENCHMARKS.md
	$(BIN)/python benchmarks/bench_train.py

clean: ## remove what the commands wrote
	rm -rf warehouse dist dbt_project/target dbt_project/logs logs
