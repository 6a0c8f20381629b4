# make demo [ARGS=--once]   see it all work, without WhatsApp
# make serve [ARGS=…]       run the daemon
# make test                 every check but the slow tests
# make test-slow            what takes too long for that: faults, torture, long random walks, an installation from the registry
# make test-environments    the quick part of the tests as many callers start them: in the background, as nobody, in C, …
# make test-browser         the pages for people, in a Chromium that is installed (PICTURES=DIR keeps what they look like)
# make test-openwa          what OpenWA does to its supervisor, on a real one (OPENWA_HOME, OPENWA_MOCK; CONTRIBUTING)
# make docs                 draw docs/reference, docs/trouble.md and the tables of docs/design.md from the code
# make bench [ARGS=…]       what is measured, beside what it costs at least; `ARGS=backlog` measures only those of that name,
#                           `PEERS=1` other supervisors too, which it installs in a folder of their own
# make bench-guard          fails if a ratio to such a floor got worse; `ARGS=--record` records what they are now
# make soak [ARGS=…]        random faults on many simulators, none (`--healthy`), attacks (`--hostile`) or all that a day brings (`--day`), then a verdict
# make torture [ARGS=…]     a campaign while daemon and engines are killed, judged by what WhatsApp got: `ARGS="--seed 7 --messages 5000"`
# make lock [ARGS=…]        write systemd/requirements.lock anew; `ARGS=--upgrade` with the newest releases that will do
# make clean                remove what the others made

ARGS ?=
# With it each program that a test starts would compile itself anew.
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin

# The newest Python that will do and can make environments; `make PYTHON=…` chooses another.
PYTHON ?= $(firstword $(foreach python,python3.14 python3.13 python3.12 python3.11 python3,$(shell \
	$(python) -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(python))))

.PHONY: demo serve docs test test-slow test-browser test-environments test-openwa bench bench-guard soak torture lock clean

demo: .venv/.run
	@$(BIN)/openwa-manager demo $(ARGS)

serve: .venv/.run
	@$(BIN)/openwa-manager serve $(ARGS)

# Real processes beside strangers' load: what failed is run again alone, by a new pytest that lists it, and must pass.
PYTEST := $(BIN)/pytest -o cache_dir=.pytest_cache/make
AGAIN := --last-failed --last-failed-no-failures=none --reruns=1
RUN_AGAIN := || { [ $$? -eq 1 ] || exit 1; echo 'What failed is run again, alone:'; $(PYTEST) $(AGAIN)

test: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --platform linux
	$(BIN)/mypy --platform darwin --no-warn-unreachable
	$(BIN)/lint-imports
	$(PYTEST) --cache-clear -m 'not slow' --numprocesses=4 --dist=worksteal --reruns=1 --cov --cov-report= $(ARGS) \
		$(RUN_AGAIN) -m 'not slow' --cov --cov-append --cov-report= $(ARGS); }
	$(BIN)/coverage report --skip-covered --fail-under=95
	@$(BIN)/coverage report --include='openwa_manager/domain/*' --fail-under=100 >/dev/null \
		|| { $(BIN)/coverage report --include='openwa_manager/domain/*' --show-missing; exit 1; }

test-slow: .venv/.dev
	$(PYTEST) --cache-clear -m slow --numprocesses=3 --dist=worksteal --reruns=1 $(ARGS) $(RUN_AGAIN) -m slow $(ARGS); }

test-browser: .venv/.browser
	$(BIN)/pytest -m browser $(ARGS)

docs: .venv/.dev
	@$(BIN)/python -m tests.diagrams
	@$(BIN)/python -m tests.reference

test-environments: .venv/.dev
	@$(BIN)/python -m tests.environments $(ARGS)

test-openwa: .venv/.dev
	$(BIN)/pytest -m openwa $(ARGS)

bench: .venv/.dev
	@$(BIN)/python -m tests.benchmarks $(if $(PEERS),--peers) $(ARGS)

bench-guard: .venv/.dev
	@$(BIN)/python -m tests.benchmarks.guard $(ARGS)

soak: .venv/.dev
	@$(BIN)/python -m tests.soak $(ARGS)

torture: .venv/.dev
	@$(BIN)/python -m tests.messages $(ARGS)

# For every platform and Python, whichever it runs on; releases that are in the file and still will do stay.
lock:
	@tool=$$(mktemp -d) && trap 'rm -rf "$$tool"' EXIT && $(PYTHON) -m venv "$$tool" \
		&& "$$tool/bin/python" -m pip install --quiet --disable-pip-version-check uv==0.13.9 \
		&& "$$tool/bin/uv" pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
			--custom-compile-command 'make lock' --output-file systemd/requirements.lock $(ARGS) pyproject.toml

clean:
	rm -rf .venv .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache dist
	find openwa_manager tests -name __pycache__ -prune -exec rm -rf {} +

.venv/.run: .venv/.python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/.dev: .venv/.python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ .venv/.run

.venv/.browser: .venv/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,browser]'
	@touch $@

.venv/.python:
	$(if $(PYTHON),,$(error No Python 3.11 or later that can make environments was found: \
		install one (on Debian also python3-venv), or name it with make PYTHON=/path/to/python3))
	$(PYTHON) -m venv .venv
	@touch $@
