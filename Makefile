# The one entry point: `make help` lists what there is.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
DEMO   ?= demo
JOBS   ?= auto
# Versions that were tested together; make setup CONSTRAINTS= VENV=DIR, in a new folder, takes the newest.
CONSTRAINTS ?= constraints.txt
PINS    = $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS))
ON_MAIN = MMF_CHECKOUT=$(abspath $(MMF)) PYTHONPATH=$(CURDIR)/build/mmf-main $(BIN)/python -m
MMF_STAMP = $(VENV)/.mmf-installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow coverage test-main test-main-slow test-mmf bench bench-full results mutants soak docs notebook dist lint typecheck clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(MMF_STAMP) ## make .venv with MMF and everything else in it

$(VENV)/.packages-installed: setup.py constraints.txt refnet_mmf/version.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(PINS) --upgrade 'setuptools<81' wheel
	$(BIN)/python -m pip install $(PINS) --config-settings editable_mode=compat --editable '.[all]'
	touch $@

$(MMF_STAMP): $(VENV)/.packages-installed $(wildcard refnet_mmf/porting/*.py)
	$(BIN)/refnet install-mmf
	touch $@

demo: setup ## train MMBT, ReFNet-MMBT and ReFNetMS-MMBT side by side on miniature memes
	$(BIN)/refnet demo --out $(DEMO)

test: setup ## the test suite, but for what is slow
	$(BIN)/python -m pytest -n $(JOBS) -m "not slow"

test-slow: setup ## the slow part of the test suite
	$(BIN)/python -m pytest -n $(JOBS) -m slow

coverage: setup ## lines and branches that the test suite runs; fails below 90 %
	$(BIN)/python -m pytest -n $(JOBS) -m "not slow" --cov --cov-report=term-missing:skip-covered --cov-fail-under=90

test-main: mmf-main ## the test suite against a checkout of MMF main: make test-main MMF=DIR
	$(ON_MAIN) pytest -n $(JOBS) -m "not slow"

test-main-slow: mmf-main ## the slow part of it: make test-main-slow MMF=DIR
	$(ON_MAIN) pytest -n $(JOBS) -m slow

test-mmf: mmf-main ## MMF main's own tests, without the plugin and with it: make test-mmf MMF=DIR
	$(ON_MAIN) tests.own_tests_of_mmf $(MMF)

.PHONY: mmf-main
mmf-main: setup
	@test -n "$(MMF)" || { echo "which checkout of MMF main? Add MMF=DIR"; exit 2; }
	$(BIN)/refnet install-mmf --from $(MMF) --target build/mmf-main

bench: setup ## measure losses, steps, imports, growth; make bench MMF=DIR: MMF main's losses, too
	@test -z "$(MMF)" || $(BIN)/refnet install-mmf --from $(MMF) --target build/mmf-main
	PYTHONPATH=$(if $(MMF),$(CURDIR)/build/mmf-main) $(BIN)/python -m benchmarks --page docs/benchmarks.md

bench-full: setup ## measure steps of networks of full size; DEVICE=cuda: on a GPU, and the rest there
	$(BIN)/python -m benchmarks full-steps $(if $(filter cuda,$(DEVICE)),losses steps) --device $(or $(DEVICE),cpu) --page docs/benchmarks.md

results: setup ## what docs/results.md shows, on miniature data: hundreds of runs, which can be cut off at will
	PATH="$(abspath $(BIN)):$$PATH" docs/results/commands.sh results; status=$$?; \
		docs/results/keep.sh results; exit $$status

mutants: setup ## change the core in every place, one at a time: which changes do its tests miss? (an hour)
	$(BIN)/python -m pip install $(PINS) --config-settings editable_mode=compat --editable '.[mutation]'
	OMP_NUM_THREADS=1 $(BIN)/mutmut run
	$(BIN)/mutmut results

soak: setup ## memory over a thousand updates, and over a hundred runs in one process
	$(BIN)/python -m tests.reliability.soak updates
	$(BIN)/python -m tests.reliability.soak runs
	$(BIN)/python -m tests.reliability.soak runs --model mmbt

$(VENV)/.docs-installed: $(MMF_STAMP)
	$(BIN)/python -m pip install $(PINS) --config-settings editable_mode=compat --editable '.[docs]'
	touch $@

docs: $(VENV)/.docs-installed ## build the documentation into build/site, its links checked
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "open build/site/index.html"

notebook: $(VENV)/.docs-installed ## run the tutorial in plain PyTorch as a notebook
	PYTHONWARNINGS=ignore $(BIN)/jupytext --to ipynb --set-kernel python3 --execute docs/tutorials/plain-pytorch.md

dist: setup ## build wheel and sdist
	$(BIN)/python -m pip install $(PINS) build
	$(BIN)/python -m build --outdir dist .

lint: setup ## ruff, format included
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: setup ## mypy
	$(BIN)/mypy

clean: ## remove what was built, but not .venv
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache demo
