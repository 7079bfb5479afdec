# Everything here sets itself up: Python 3.11 or newer and make are all it needs.
PYTHON ?= python3
UV := $(CURDIR)/.uv/bin/uv
export UV
RUN := $(UV) run --frozen
# Tests start hundreds of processes: what these import is compiled once, whatever the shell says.
export PYTHONDONTWRITEBYTECODE :=
# Warnings are errors (pyproject.toml). Most tests wait more than they reckon, so there are more workers than cores;
# whoever is done takes from the others' queues. `make test WORKERS=0` runs them one after the other.
WORKERS ?= 3
PYTEST := $(RUN) pytest

.DEFAULT_GOAL := help

.PHONY: help
help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

# uv is taken from the machine when it is there, else installed into the work tree.
$(UV):
	@mkdir -p .uv/bin
	@if command -v uv >/dev/null 2>&1; then ln -sf "$$(command -v uv)" $(UV); \
	else $(PYTHON) -m venv .uv/venv && .uv/venv/bin/pip install --quiet --disable-pip-version-check uv \
	  && ln -sf ../venv/bin/uv $(UV); fi

.PHONY: setup
setup: $(UV)
	@$(UV) sync --frozen --quiet --compile-bytecode

.PHONY: page
page: setup ## the chat page of the simulator, built anew if its sources changed
	@$(RUN) python web/page_build.py

# What follows works without the page, and says so, where npm's packages cannot be fetched.
.PHONY: page-if-possible
page-if-possible: setup
	@$(RUN) python web/page_build.py --optional

.PHONY: demo
demo: page-if-possible ## three bots and a small Telegram on this machine; people write to them
	@$(RUN) posthouse demo $(DEMO)

.PHONY: test
test: page-if-possible ## the whole test suite, with a real PostgreSQL
	@$(PYTEST) -q -n $(WORKERS) --dist worksteal -m "not soak and not alone" $(TESTS)
	@$(PYTEST) -q -m "alone and not soak" $(TESTS) || test $$? -eq 5 # 5: there are none among TESTS

.PHONY: soak
soak: setup ## the long runs
	@$(PYTEST) -q -m soak $(TESTS)

.PHONY: check
check: setup ## formatting, lint, types, layers
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy
	@$(RUN) lint-imports

.PHONY: format
format: setup ## format and mend what can be mended
	@$(RUN) ruff format .
	@$(RUN) ruff check --fix .

.PHONY: bench
bench: setup ## the figures, against the peers, in one run
	@$(RUN) python -m bench $(BENCH)
