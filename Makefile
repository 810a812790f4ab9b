# Everything is done in .venv, which is made when it is first needed and again when what belongs into it has changed.
#
#   make demo     a tour with a real Kafka and real clients, then it is yours until Ctrl-C   (ONCE=1: the tour only)
#   make test     all tests, against real Kafkas too           (ARGS="tests/policy -k deny": some of them;
#                 WORKERS=1: one after the other, where there is less memory than 8 GB)
#   make style    how the code looks and what may import what
#   make types    mypy
#   make lock     pin anew what the tests and checks run with
#   make clean    delete .venv and what the tools have left

# The first of these that is new enough and can make an environment.
PYTHONS := python3 python3.13 python3.12 python3.11
PYTHON ?= $(firstword $(foreach name,$(PYTHONS),$(shell $(name) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))

BIN := .venv/bin

# Tests wait for Kafka more than they compute, so that there are more of them at a time than most machines have cores.
WORKERS ?= 3

.PHONY: demo test style types lock clean

demo: .venv/made
	$(BIN)/kordon demo $(if $(ONCE),--once)

test: .venv/made
	$(BIN)/python -m kordon_proxy.demo.prepare
	$(BIN)/pytest $(if $(ARGS),$(ARGS),--numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder)

style: .venv/made
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: .venv/made
	$(BIN)/mypy

.venv/made: pyproject.toml requirements-dev.lock
	@$(if $(PYTHON),,echo "Python 3.11 or newer with venv is missing (Debian: sudo apt-get install python3-venv)" >&2; exit 1)
	rm -rf .venv
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements-dev.lock -e '.[dev]'
	touch $@

# With the oldest Python that we support, because a newer one would pin what the oldest cannot have.
lock:
	rm -rf .venv
	$(or $(shell command -v python3.11),$(PYTHON)) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager -e '.[dev]'
	{ echo "# Made by 'make lock' with Python 3.11; it holds for 3.12 and 3.13 too."; \
	  $(BIN)/pip freeze --exclude-editable; } > requirements-dev.lock
	touch .venv/made

clean:
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
