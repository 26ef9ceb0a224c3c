# Two commands for a newcomer: `make demo` and `make test`. Each first sets up .venv (once).
#   PYTHON=python3.12   the interpreter that creates .venv (default: the first suitable one)
#   EXTRAS=dev,synth    what is installed beside the core packages
#   ARGS="-k regions"   passed on to pytest, or to `segkit demo`

VENV   ?= .venv
EXTRAS ?= dev,synth,mim,plot,cluster,web,export
ARGS   ?=

BIN   := $(VENV)/bin
comma := ,
# One stamp for each set of extras, so that asking for more installs more.
STAMP := $(VENV)/.segkit-ready-$(subst $(comma),-,$(EXTRAS))
# The installed package holds copies of these, so they count as reasons to install again.
PACKAGED := pyproject.toml model-index.yml tools/train.py $(shell find projects -name '*.py' -o -name '*.yml')

CANDIDATES := $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.10 python3.14 python)

.PHONY: demo test setup browser lint format docs clean
.DEFAULT_GOAL := demo

demo: setup  ## make talking videos with edits from what the repository carries
	@$(BIN)/segkit demo $(ARGS)

test: setup  ## run the whole suite
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

setup: $(STAMP)  ## create .venv and install everything; instant when nothing changed

browser: setup  ## find or install the Chromium of the browser test
	@$(BIN)/python tools/get_browser.py

lint: setup
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

docs:
	@$(MAKE) --no-print-directory setup EXTRAS=$(EXTRAS),docs
	$(BIN)/python -m sphinx -W -n docs docs/_build/html

clean:  ## forget the environment; the next command builds it anew
	rm -rf $(VENV)

$(STAMP): $(PACKAGED)
	@for candidate in $(CANDIDATES); do \
	  if $$candidate -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 15))' 2>/dev/null; \
	  then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "segkit needs Python 3.10 to 3.14; none of: $(CANDIDATES)." >&2; \
	  echo "Install one, or name it: make $(or $(MAKECMDGOALS),demo) PYTHON=/path/to/python3.12" >&2; \
	  exit 1; \
	fi; \
	$$python tools/make_env.py --venv $(VENV) --extras $(EXTRAS) --stamp $(STAMP)
