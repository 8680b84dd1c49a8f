# Two commands do everything on a clean machine with Python 3.11+, git and make:
#   make demo   make test
# Each makes .venv first if it is not there.

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.PHONY: demo test lint bench bench-all faults fuzz proto clean

demo: $(INSTALLED)
	@$(BIN)/hookfetch demo

# In two processes, each with a broker of its own; in one where both would empty the queues of the given broker.
TOGETHER := $(if $(HOOKFETCH_TEST_AMQP),,-n 2 --dist loadfile --no-loadscope-reorder)

test: lint
	@echo "== Tests (RabbitMQ: HOOKFETCH_TEST_AMQP if set, else a private broker)"
	@$(BIN)/python -m pytest $(TOGETHER)

lint: $(INSTALLED)
	@echo "== Lint"
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/codespell

bench: $(INSTALLED)
	@$(BIN)/python -m bench

# The same, and the long ones: many elements, the sweep of a whole project, a worker over 1,000 jobs.
bench-all: $(INSTALLED)
	@$(BIN)/python -m bench --all

# Long runs: kills and freezes of every process, full disks, replays, and what became of every delivery (about
# 8 minutes); then the same over a cluster of three, whose leaders are hit (about 5).
faults: $(INSTALLED)
	@$(BIN)/python -m tests.faults
	@$(BIN)/python -m tests.faults --nodes 3 --deliveries 3000 --faults 30 --replays 30

# Looks for inputs that break the door or a parser, for FUZZ_SECONDS. What it learns stays in build/fuzz.
FUZZ_SECONDS ?= 60
fuzz: $(INSTALLED)
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[fuzz]'
	@$(BIN)/python -m fuzz.seeds build/fuzz
	@cd build && PYTHONPATH=.. ../$(BIN)/python -m fuzz.ingress_core -max_total_time=$(FUZZ_SECONDS) -max_len=65536 fuzz

proto: $(INSTALLED)
	@$(BIN)/python proto/generate.py

$(INSTALLED): pyproject.toml constraints.txt deploy/venv.sh
	@sh deploy/venv.sh $(VENV)
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
