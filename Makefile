# The table of contents: every command of a day's work. Each installs what it needs, once, into .venv.
PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin
ENVIRONMENT = $(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
INSTALL = { $(ENVIRONMENT); } && $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable

# Compiled modules are kept whatever the environment says: a run starts some hundred interpreters, which read them all.
export PYTHONDONTWRITEBYTECODE =

SECONDS = 60
AZ = .azure/bin/az
TEST_PACKAGES = $(patsubst tests/%/__init__.py,tests.%,$(wildcard tests/*/__init__.py))
END_TO_END = $(addprefix tests.end_to_end-,0 1 2 3)
TRIALS = $(addprefix trial-,$(END_TO_END) tests.modules $(filter-out tests.end_to_end,$(TEST_PACKAGES)))
# More processes than processors: most of the time tests wait for what they started, which those of a file share.
PROCESSES = $(shell echo $$((2 * $$(nproc) < 8 ? 2 * $$(nproc) : 8)))
# In the order of tests/conftest.py: that of xdist has files of few tests last, which are the long ones here.
PARALLEL = --numprocesses=$(PROCESSES) --dist=loadfile --no-loadscope-reorder

.PHONY: run test setup lint format types arrows docstrings trial $(TRIALS) coverage differential explore reference screenshots azure fuzz bench bench-quick bench-micro wheel clean

run: $(VENV)/.run          ## the gateway with demo certificates and a demo backend
	$(BIN)/agw demo --config conf/gw.ini

test: $(VENV)/.test        ## the whole suite
	$(BIN)/python -m pytest $(PARALLEL)

setup: $(VENV)/.dev        ## everything below needs this, and gets it by itself

lint: $(VENV)/.dev         ## ruff: rules and form
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

format: $(VENV)/.dev       ## ruff mends what it can
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

types: $(VENV)/.dev        ## mypy, strict: the package, a program with its public names, and ways round the gate
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_admitted.py tests/test_public_surface.py -k TypeTests

arrows: $(VENV)/.dev       ## imports point down only
	$(BIN)/lint-imports

docstrings: $(VENV)/.dev   ## every test says what it shows
	$(BIN)/interrogate --config setup.cfg tests

trial: $(VENV)/.test       ## the suite once more, under Twisted's own runner
	$(MAKE) --no-print-directory --jobs=$(PROCESSES) --output-sync=target $(TRIALS)

# What a run of trial has: a package; every fourth file of the largest one; the files that are in none.
tested = $(if $(filter tests.modules,$1),$(wildcard tests/test_*.py),$(if $(filter tests.end_to_end-%,$1),$(call fourth,$(lastword $(subst -, ,$1))),$1))
fourth = $(shell ls tests/end_to_end/test_*.py | awk 'NR % 4 == $1')

$(TRIALS): trial-%:        ## one run for each, the long ones first: all cores end at about the same time
	$(BIN)/python -m twisted.trial --reporter=text --temp-directory=_trial_temp-$* $(call tested,$*)

coverage: $(VENV)/.dev     ## lines and branches that no test runs
	$(BIN)/coverage run -m pytest && $(BIN)/coverage report

differential: $(VENV)/.test ## other verifiers before many generated chains and CRLs, fifteen times as many as in the suite
	AGW_DIFFERENTIAL=30000 $(BIN)/python -m pytest tests/test_differential.py tests/test_crls.py

explore: $(VENV)/.test      ## the property tests with many more examples, other ones in every run; h2spec and Go as clients, where found
	AGW_EXAMPLES=2000 $(BIN)/python -m pytest -m 'hypothesis'
	AGW_EXAMPLES=2000 $(BIN)/python -m pytest tests/end_to_end/test_h2spec.py tests/end_to_end/test_http2_programs.py

reference: $(VENV)/.test   ## docs/reference and the page of the manual, from the code
	$(BIN)/agw reference docs/reference --man deploy/man/agw.1

screenshots: $(VENV)/.dev ## docs/console/*.png, by the tests of the console
	mkdir -p docs/console && AGW_PICTURES=1 AGW_REQUIRE_PROGRAMS=1 $(BIN)/python -m pytest tests/console/test_page.py

azure: $(VENV)/.test $(AZ) ## azure-cli against `agw control`, every command checked; makes docs/azure-cli.md
	$(BIN)/python -m tests.azure --az $(AZ) --write docs/azure-cli.md

.azure/bin/az:             # a large install, in an environment of its own
	$(PYTHON) -m venv --clear .azure && .azure/bin/python -m pip install --quiet --disable-pip-version-check 'azure-cli >= 2.80'

fuzz: $(VENV)/.fuzz        ## every reader of bytes from outside, SECONDS=60 each; see fuzz/README.md
	$(BIN)/python -m fuzz --seconds $(SECONDS)

bench: $(VENV)/.test       ## next to nginx and others, in less than half an hour; see benchmarks/README.md
	$(BIN)/python -m benchmarks --install

bench-quick: $(VENV)/.test ## the same in less than two
	$(BIN)/python -m benchmarks --install --quick

bench-micro: $(VENV)/.test ## what single steps cost, in memory
	$(BIN)/python -m pytest benchmarks/micro -p no:cacheprovider -o addopts= --benchmark-sort=name --benchmark-columns=min,median,iqr,ops

wheel: $(VENV)/.test       ## dist/*.whl
	rm -rf build dist && $(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

clean:                     ## all that the others made; conf/pki stays
	rm -rf $(VENV) build dist _trial_temp* .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache *.egg-info

# Stamps: an environment is made anew when what it is made from changed.
$(VENV)/.run: setup.cfg pyproject.toml
	$(INSTALL) . && touch $@

$(VENV)/.test: setup.cfg pyproject.toml
	$(INSTALL) '.[test]' && touch $@ $(VENV)/.run

$(VENV)/.fuzz: setup.cfg pyproject.toml
	$(INSTALL) '.[fuzz]' && touch $@ $(VENV)/.test $(VENV)/.run

$(VENV)/.dev: setup.cfg pyproject.toml
	$(INSTALL) '.[dev]' && touch $@ $(VENV)/.test $(VENV)/.run
