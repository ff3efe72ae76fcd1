# `make help` lists what there is. Everything runs from a bare checkout: Python 3.11 or newer and make are enough.
# The first that runs: a version manager's python3.13 may be a name without a Python behind it.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$p; break; }; done)
BIN := .venv/bin
XDIST ?= 2

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-sqlite test-postgres browser-test lint bench screenshots clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

venv: .venv/installed ## the virtual environment with pinned dependencies

.venv/installed: requirements/base.txt requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/base.txt -r requirements/dev.txt
	@touch $@

demo: .venv/base ## sample data, web and workers, until Ctrl-C
	@exec $(BIN)/python manage.py demo $(ARGS)

# The demo needs no test tools, so a first start is short.
.venv/base: requirements/base.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/base.txt
	@touch $@

test: test-sqlite test-postgres ## all tests, on SQLite and on PostgreSQL (from a wheel), browser tests where a Chromium is

test-sqlite: venv
	TEST_DATABASE=sqlite $(BIN)/python -m pytest -n $(XDIST) --dist loadgroup $(ARGS)

test-postgres: venv
	TEST_DATABASE=postgres $(BIN)/python -m pytest -n $(XDIST) --dist loadgroup -m "not one_database" $(ARGS)

browser-test: venv ## only the browser tests
	$(BIN)/python -m pytest -m browser $(ARGS)

lint: venv ## style, types, import contracts, Django's own checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python manage.py makemigrations --check --dry-run
	PUBLIC_URL=https://automation.example.com $(BIN)/python manage.py check --deploy --fail-level WARNING

bench: venv ## figures of docs/performance.md, as ratios of one run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/bench.txt
	$(BIN)/python -m tests.benchmarks $(ARGS)

screenshots: venv ## pictures of every page, light and dark, under var/screenshots
	$(BIN)/python -m tests.browser.screenshots $(ARGS)

clean: ## remove the virtual environment and what was made
	rm -rf .venv var .pytest_cache .mypy_cache .ruff_cache .hypothesis
