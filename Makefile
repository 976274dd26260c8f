PYTHON ?= python

.PHONY: check lint types test slow

check: lint types test

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:
	$(PYTHON) -m mypy
	$(PYTHON) -m mypy --platform win32

test:
	$(PYTHON) -m pytest -n auto -m "not slow"

slow:
	$(PYTHON) -m pytest -m slow --timeout 900
