# `make demo` sets everything up and runs the demo; `make test` sets everything up and runs all checks.
# Both work in a virtual environment of their own: .venv here, or the folder that VENV names.

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
BIN := $(VENV)/bin
CODE := src tests benchmarks vectors examples docs/generate_operations.py docs/generate_reference.py
SOURCES := pyproject.toml CMakeLists.txt LICENSE README.md \
	$(shell find native src -type f ! -name '*.pyc' ! -name '*.so')

.PHONY: demo test check unit doors docs format clean

demo: $(VENV)/.installed
	$(BIN)/tercet demo

test: check unit

check: $(VENV)/.installed-test
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/python docs/generate_operations.py --check
	$(BIN)/python docs/generate_reference.py --check
	$(BIN)/python vectors/generate.py --check
	@find src tests -name '*.py' | xargs wc -l | awk '$$2 != "total" && $$1 > 500 { print "warning: " $$2 " has " $$1 " lines: one concept?" }'

# Files of tests in parallel; then, with nothing beside them, the tests that measure time.
unit: $(VENV)/.installed-test
	$(BIN)/pytest -m "not timing" -n $(WORKERS) --dist loadfile --no-loadscope-reorder
	$(BIN)/pytest -m timing

# Doors to other libraries, with these libraries: torch's wheel without CUDA, where an index has it.
doors: $(VENV)/.installed-test
	$(BIN)/python -m pip install --quiet 'torch==2.13.0+cpu' || $(BIN)/python -m pip install --quiet 'torch>=2.6,<3'
	$(BIN)/python -m pip install --quiet 'expecttest>=0.2,<1'
	$(BIN)/pytest tests/doors

docs: $(VENV)/.installed-docs
	$(BIN)/python docs/generate_operations.py
	$(BIN)/python docs/generate_reference.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

clean:
	rm -rf build dist site .pytest_cache .mypy_cache .ruff_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# What is tested is the installed package, compiled and packed as users get it.
$(VENV)/.installed: $(BIN)/python $(SOURCES)
	$(BIN)/python -m pip install --quiet .
	touch $@

$(VENV)/.installed-test: $(BIN)/python $(SOURCES)
	$(BIN)/python -m pip install --quiet '.[test]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: $(BIN)/python $(SOURCES)
	$(BIN)/python -m pip install --quiet '.[docs]'
	touch $@ $(VENV)/.installed
