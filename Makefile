# What a person does with this tree. A fresh machine needs Python 3.11, pip and git.

PYTHON ?= python3
BIN := .venv/bin
comma := ,

.PHONY: demo test test-slow check reference format clean

# A database that is slow, and honed that makes it faster, proves it and takes it back.
demo: .venv/.demo
	$(BIN)/honed demo --once

test: .venv/.dev
	$(BIN)/pytest -n 2 -m 'not slow'

# Worlds are made once for a module, so each stays with one worker.
test-slow: .venv/.dev
	$(BIN)/pytest -n 2 --dist loadscope -m 'slow and not alone'
	$(BIN)/pytest -m 'slow and alone'

check: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/interrogate src
	$(BIN)/python -m honed.testing.reference --check

# Make docs/reference again after a command, setting, error, kind or SQL function has changed.
reference: .venv/.dev
	$(BIN)/python -m honed.testing.reference

format: .venv/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.demo: pyproject.toml
	$(call install,demo)
	@touch $@

.venv/.dev: pyproject.toml
	$(call install,dev$(comma)demo)
	@touch $@

# uv where it works, because it is quicker; else what comes with Python.
define install
@set -e; if uv --version >/dev/null 2>&1; then \
	test -x $(BIN)/python || uv venv --quiet --python $(PYTHON) .venv; \
	echo "installing honed[$(1)] with uv"; \
	uv pip install --quiet --python $(BIN)/python --editable '.[$(1)]'; \
else \
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv; \
	echo "installing honed[$(1)] with pip"; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(1)]'; \
fi
endef
