# `make demo` and `make test` install what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TRITON := .venv-triton
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format wheel bench-demo bench-env bench-tokens bench-train bench-kernels bench-learning bench-results bench-embed test-long test-slow trial triton-env test-triton bench-triton bench-drift clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

setup: $(STAMP) ## create the virtual environment with the pinned packages

$(STAMP): constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,serve,tensorboard,mlflow,dev]'
	@touch $(STAMP)

demo: $(STAMP) ## run the complete loop on real purchase cards, into ./warehouse
	$(BIN)/pragma demo

# Files in their order: by itself, xdist leaves the long files of few tests to the end.
PYTEST := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

test: $(STAMP) ## run the tests that need no build of their own, in under five minutes
	$(PYTEST) -m "not long and not slow and not trial"

test-long: $(STAMP) ## run the tests that build, edit, kill and build again
	$(PYTEST) -m "long and not slow and not trial"

test-slow: $(STAMP) triton-env ## run the slow tests: rare variants, large datasets, the longest pages
	$(PYTEST) -m slow
	$(TRITON)/bin/python -m pytest -m slow serving/tests

trial: $(STAMP) ## run four real datasets through edits, corrections, deletions, a refit and another seed
	$(BIN)/pytest -s -m trial tests/trial

triton-env: $(TRITON)/.installed ## create the environment of the real Triton server, for its tests and benchmark

$(TRITON)/.installed: constraints-triton.txt serving/requirements.txt
	$(PYTHON) -m venv $(TRITON)
	$(TRITON)/bin/pip install --quiet --disable-pip-version-check -r constraints-triton.txt
	$(TRITON)/bin/pip install --quiet --disable-pip-version-check --no-deps nvidia-pytriton==0.7.0 -e .
	@touch $@

test-triton: $(STAMP) triton-env ## run the tests of the real Triton server
	$(TRITON)/bin/python -m pytest -m "not slow" serving/tests

lint: $(STAMP) ## run ruff, mypy --strict and sqlfluff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy serving/tests
	for model in serving/triton/*/1/model.py; do $(BIN)/mypy $$model || exit 1; done
	$(BIN)/sqlfluff lint dbt_project/models

format: $(STAMP) ## fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: $(STAMP) ## build dist/pragma_sql-*.whl
	$(BIN)/python -m build --wheel

bench-demo: $(STAMP) ## measure time, CPU and memory of the demo, into docs/BENCHMARKS.md
	$(BIN)/python benchmarks/bench_demo.py

bench-env: ## create the environment of pragmatiq, for the comparisons with it
	test -x .venv-bench/bin/pragmatiq || { $(PYTHON) -m venv .venv-bench && \
	  .venv-bench/bin/pip install --quiet --disable-pip-version-check torch==2.13.0 && \
	  .venv-bench/bin/pip install --quiet --disable-pip-version-check 'pragmatiq[train]==1.1.0'; }

bench-tokens: $(STAMP) bench-env ## compare tokenising with pragmatiq, and at 10M and 100M events, into docs/BENCHMARKS.md
	$(BIN)/python benchmarks/bench_tokens.py

bench-train: $(STAMP) bench-env ## compare training speed with pragmatiq, into docs/BENCHMARKS.md
	$(BIN)/python benchmarks/bench_train.py

bench-kernels: $(STAMP) bench-env ## measure attention kernels, alone and in training steps, into docs/BENCHMARKS.md
	$(BIN)/python benchmarks/bench_kernels.py

bench-learning: $(STAMP) bench-env ## compare what the model learns with guesses, features and pragmatiq, into docs/BENCHMARKS.md
	$(BIN)/python benchmarks/bench_learning.py

bench-results: $(STAMP) ## measure embeddings and forecasts on test users, into docs/RESULTS.md
	$(BIN)/python benchmarks/bench_results.py

bench-embed: $(STAMP) bench-env ## compare scoring with pragmatiq, into docs/BENCHMARKS.md
	$(BIN)/python benchmarks/bench_embed.py

bench-triton: $(STAMP) bench-env triton-env ## compare the latency of the Triton server with pragmatiq, into docs/BENCHMARKS.md
	$(BIN)/python benchmarks/bench_triton.py

bench-drift: $(STAMP) ## count false alarms and planted drifts found on real datasets, into docs/BENCHMARKS.md
	$(BIN)/python benchmarks/bench_drift.py

clean: ## remove the files that the commands wrote
	rm -rf warehouse dist dbt_project/target dbt_project/logs logs
