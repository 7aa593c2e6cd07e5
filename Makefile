# One word per chore. Every command is run as `.venv/bin/python -m ...`: the scripts in .venv/bin begin
# with the path of this folder, which breaks when it holds a space or is long.
PY := .venv/bin/python
ARGS ?=

# `env -i make` has no PATH to look for a shell in.
ifeq ($(PATH),)
export PATH := /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
endif

.DEFAULT_GOAL := help
.PHONY: help run check test test-slow e2e test-model test-postgres bench bench-store eval-search eval-safety bench-search screenshots requirements lock setup setup-dev setup-e2e

help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' Makefile

run: setup ## Serve the site on http://127.0.0.1:8000 (settings: .env, docs/configuration.md)
	@exec $(PY) -m scripts.serve

check: setup-dev ## Formatting, lint, types, layers, requirements
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(PY) -c "from importlinter.cli import lint_imports_command as lint; lint()"
	@$(PY) -m scripts.requirements --check

test: setup-dev ## The tests, on SQLite and a private Valkey
	@$(PY) $(if $(ARGS),-m pytest -q $(ARGS),-m scripts.tests)

e2e: setup-e2e test-slow test-model ## The whole site in headless Chromium, test-slow and test-model
	@sh scripts/browser.sh
	@$(PY) -m pytest -q -m e2e --confcutdir=tests/e2e --reruns 1 tests/e2e $(ARGS)

test-slow: setup-dev ## The longer tests, without which `make test` stays below a minute
	@$(PY) -m pytest -q -m slow --ignore=tests/e2e tests

test-model: setup-e2e ## The model door against a real model server (llama.cpp)
	@$(PY) -m pytest -q -m model tests/services/llm

test-postgres: setup-dev ## The store's tests on PostgreSQL
	@$(PY) -m scripts.with_postgres $(PY) -m pytest -q -m 'not model' tests/services/store tests/services/media tests/blueprints/test_media.py tests/blueprints/test_base_documents.py tests/blueprints/test_base_progress.py $(ARGS)

bench: setup-e2e ## Measure the engine against its peers; fails on a missed ratio
	@$(PY) -m bench $(ARGS)

bench-store: setup-dev ## Measure the history with 10,000 conversations on both databases; fails over 100 ms
	@$(PY) -m scripts.bench_store $(ARGS)

eval-search: setup-dev ## Measure how well the search finds, refuses and cites; fails on a missed goal
	@$(PY) -m scripts.eval_search $(ARGS)

eval-safety: setup-dev ## Measure what the rules for stories let through and refuse; fails on a missed goal
	@$(PY) -m scripts.eval_safety $(ARGS)

bench-search: setup-e2e ## Measure the search with 100,000 chunks, ingestion beside streams; fails on a missed goal
	@$(PY) -m scripts.bench_search $(ARGS)

screenshots: setup-e2e ## Picture every page again, into docs/screenshots
	@sh scripts/browser.sh
	@$(PY) -m scripts.screenshots

requirements: setup-dev ## Write docs/requirements.md: each requirement with its tests
	@$(PY) -m scripts.requirements

lock: ## Pin the requirements again (needs uv)
	@sh scripts/lock.sh

setup:
	@sh scripts/setup.sh requirements.txt
setup-dev:
	@sh scripts/setup.sh requirements-dev.txt
setup-e2e:
	@sh scripts/setup.sh requirements-e2e.txt
