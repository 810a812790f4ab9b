# Everything is done in .venv, which is made when it is first needed and again when what belongs into it has changed.
#
#   make demo     a tour with a real Kafka and real clients, then it is yours until Ctrl-C   (ONCE=1: the tour only)
#   make test     all tests, against real Kafkas too           (ARGS="tests/policy -k deny": some of them;
#                 WORKERS=1: one after the other, where there is less memory than 8 GB)
#   make test-compiled   what runs for each request, and real clients, with the hot modules compiled; takes a C compiler
#   make style    how the code looks and what may import what
#   make types    mypy
#   make lock     pin anew what the tests and checks run with
#   make bench    what Kordon costs beside Kafka itself     (make bench-quick: a look, under two minutes;
#                 ARGS="--only raw-produce,round-trips": some of it; see `.venv/bin/python -m benchmarks --help`;
#                 COMPILED=1: with the hot modules compiled, and without)
#   make performance   docs/performance.md with its figures and pictures measured anew, on a machine that is idle
#   make clean    delete .venv, .venv-compiled and what the tools have left

# The first of these that is new enough and can make an environment.
PYTHONS := python3 python3.13 python3.12 python3.11
PYTHON ?= $(firstword $(foreach name,$(PYTHONS),$(shell $(name) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))

BIN := .venv/bin
BENCH := $(if $(COMPILED),.venv-compiled,.venv)

# Tests wait for Kafka more than they compute, so that there are more of them at a time than most machines have cores.
WORKERS ?= 3
IN_PARALLEL := --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder

# Where the environment forbids it, each of the hundreds of processes that tests start would compile all sources anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-compiled style types bench bench-quick performance lock clean

demo: .venv/made
	$(BIN)/kordon demo $(if $(ONCE),--once)

test: .venv/made
	$(BIN)/python -m kordon_proxy.demo.prepare
	$(BIN)/pytest $(if $(ARGS),$(ARGS),$(IN_PARALLEL))

# Of what is compiled, of what calls it, and with enough of Kafka that it meets real clients.
COMPILED_TESTS := tests/test_compiled.py tests/protocol/scan $(addprefix tests/protocol/test_,frames.py header.py) \
  tests/proxy/apis tests/proxy/judging tests/proxy/cli/test_command.py $(wildcard tests/proxy/test_*.py) \
  $(addprefix tests/kafka/test_,$(addsuffix .py,clients_confluent fetch_sessions isolation))

test-compiled: .venv-compiled/made
	$(BIN)/python -m kordon_proxy.demo.prepare
	KORDON_COMPILE=1 .venv-compiled/bin/python -m pytest -o pythonpath=. \
	  $(if $(ARGS),$(ARGS),$(IN_PARALLEL) $(COMPILED_TESTS))

style: .venv/made
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: .venv/made
	$(BIN)/mypy

bench: $(BENCH)/made
	$(BENCH)/bin/python -m kordon_proxy.demo.prepare
	$(BENCH)/bin/python -m benchmarks --out build/bench.json $(ARGS)

bench-quick: $(BENCH)/made
	$(BENCH)/bin/python -m kordon_proxy.demo.prepare
	$(BENCH)/bin/python -m benchmarks --quick --out build/bench-quick.json $(ARGS)

# The figures and pictures of docs/performance.md, measured anew: ten minutes or more on a machine that does nothing else.
performance: .venv-compiled/made
	$(BIN)/python -m kordon_proxy.demo.prepare
	.venv-compiled/bin/python -m benchmarks --out benchmarks/results/main.json $(ARGS)
	$(BIN)/python -m benchmarks profiles docs/performance
	$(BIN)/python -m benchmarks page

.venv/made: pyproject.toml requirements-dev.lock
	@$(if $(PYTHON),,echo "Python 3.11 or newer with venv is missing (Debian: sudo apt-get install python3-venv)" >&2; exit 1)
	rm -rf .venv
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements-dev.lock -e '.[dev]'
	touch $@

# What an operator gets by `KORDON_COMPILE=1 pip install .`, with all else from .venv. A path that a .pth file adds is not
# looked through for others, so that the editable Kordon of .venv is not here.
.venv-compiled/made: .venv/made hatch_build.py $(shell find protocol policy proxy -name '*.py')
	rm -rf .venv-compiled
	$(BIN)/python -m venv --without-pip .venv-compiled
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	  > "$$(.venv-compiled/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/venv.pth"
	KORDON_COMPILE=1 PIP_CONSTRAINT=requirements-dev.lock PIP_BUILD_CONSTRAINT=requirements-dev.lock \
	  $(BIN)/pip --disable-pip-version-check --python .venv-compiled/bin/python install --quiet --no-deps .
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
	rm -rf .venv .venv-compiled build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
