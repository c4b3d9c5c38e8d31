# Two commands do everything on a fresh machine: `make demo` and `make test`.
#
# Needs Python 3.11 or newer with pip, GNU make, and a package registry. Each framework gets an environment of its own
# below .venvs/ (their pins contradict each other); nothing outside this folder is changed.

PYTHON ?= python3
UV := .venvs/uv/bin/uv
LF := .venvs/llamafactory
SWIFT := .venvs/swift
CHECKED := ordebug_plugin tests scripts
TEST_PROCESSES ?= 2
LOCKED := --quiet --upgrade --python-version 3.11 --extra dev --no-annotate --no-header

.PHONY: help setup demo test lint unit lock extras clean

help:
	@echo "make demo    set up, SFT of a tiny model in LLaMA-Factory, GRPO in ms-swift, Gurobi as the judge: 15 minutes"
	@echo "make test    set up, lint, type-check, and run all tests: 12 minutes"
	@echo "make setup   only the two environments, .venvs/llamafactory and .venvs/swift"
	@echo "make extras  check that every extra of pyproject.toml resolves"
	@echo "make clean   delete .venvs and runs, all results included"
	@echo "make lock    pin the newest versions that fit, in requirements/"

setup: $(LF)/installed $(SWIFT)/installed

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than 3.11: call make PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv .venvs/uv
	.venvs/uv/bin/python -m pip install --quiet "uv>=0.5"

# What of ours each environment holds beside its framework: Ray's tests run in one.
llamafactory_MORE := ray,dev
swift_MORE := dev

$(LF)/installed $(SWIFT)/installed: .venvs/%/installed: pyproject.toml requirements/%.txt | $(UV)
	$(UV) venv --quiet --clear --python $(PYTHON) .venvs/$*
	$(UV) pip install --quiet --python .venvs/$*/bin/python --constraint requirements/$*.txt -e '.[$*,$($*_MORE)]'
	touch $@

demo: setup
	bash scripts/demo.sh

test: setup lint unit

lint: $(LF)/installed
	$(LF)/bin/ruff check $(CHECKED)
	$(LF)/bin/ruff format --check $(CHECKED)
	$(LF)/bin/mypy

# Two processes of pytest, also where there are more cores: each holds a framework (1.2 GB) and starts judges and
# trainings of its own, and tests of limits of seconds need a core that is free within them. A file is one process's, so
# that what its tests share is made once, and its order is that of `pytest FILE`. A process that ends, as one does whose
# test waits for ever, ends the run: the same test would only wait again.
SHARED_OUT = -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder --max-worker-restart 0
unit: setup
	$(LF)/bin/python -m pytest -m "not swift" $(SHARED_OUT)
	$(SWIFT)/bin/python -m pytest -m swift $(SHARED_OUT)

lock: | $(UV)
	$(UV) pip compile $(LOCKED) --extra llamafactory --extra ray -o requirements/llamafactory.txt pyproject.toml
	$(UV) pip compile $(LOCKED) --extra swift -o requirements/swift.txt pyproject.toml

extras: | $(UV)
	$(PYTHON) scripts/check_extras.py --uv $(UV)

clean:
	rm -rf .venvs runs
