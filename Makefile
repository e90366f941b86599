# The two commands that set up everything: `make quickstart` (data, a trained model, the table) and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
MODEL ?= conv3d_convlstm

.PHONY: quickstart test lint check bench clean

quickstart: $(VENV)/.bench
	$(BIN)/dynamics-gen --split all --size mini
	$(BIN)/dynamics-gen preview data/dynamics-mini/train
	$(BIN)/bench run $(MODEL) --size mini --resume
	$(BIN)/bench table --runs runs
	@echo "contact sheet: data/dynamics-mini/train/preview/contact_sheet.png"

# A process a core, each with one thread: threads of several that want the same cores are slower than either alone.
test: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

check: lint test

bench: $(VENV)/.bench
	$(BIN)/python benchmarks/generator.py
	$(BIN)/dynamics-gen --split train --size mini
	$(BIN)/python benchmarks/loader.py --data data/dynamics-mini/train
	$(BIN)/python benchmarks/models.py --data data/dynamics-mini/train
	$(BIN)/python benchmarks/feature_flow.py

clean:
	rm -rf $(VENV) build *.egg-info

# One marker for each set of dependencies: $(VENV)/.bench, .test, .dev.
$(VENV)/.%: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch $@

# Debian keeps ensurepip in a package of its own; without it, the system's pip puts one into the environment.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || \
	  { $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }
