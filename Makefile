# What a user and a contributor do, by name. Needs python3 (3.11 or newer) with its venv module, and make.

PYTHON ?= python3
BIN := .venv/bin
CODE := data_contracts mappings connectors pipelines
PIP := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test ui bench lint fmt lock clean install

help: ## Toon deze lijst
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

install: .venv/.installed ## Zet Doorgeefluik in .venv, met de vastgelegde versies

demo: install ## Voer de voorbeeldschool door de hele nachtelijke synchronisatie
	@$(BIN)/doorgeefluik demo

ui: install ## Open de webpagina van de voorbeeldschool op deze computer
	@$(BIN)/doorgeefluik demo --ui

test: install ## Draai alle tests waarvoor je geen beheerder hoeft te zijn
	@$(BIN)/python -m pytest

bench: install ## Meet de kosten: tijd en geheugen, naast de ondergrens van deze machine
	@$(BIN)/python tests/benchmarks/bench.py

lint: install ## Controleer stijl, types en importrichting
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fmt: install ## Maak de code op
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

lock: ## Zet de versies opnieuw vast in requirements.lock (hiervoor is uv nodig)
	@command -v uv >/dev/null || { echo "Hiervoor is uv nodig; installeer het en probeer opnieuw." >&2; exit 1; }
	@uv pip compile --quiet --universal --python-version 3.11 --all-extras --group dev --generate-hashes \
		--no-strip-extras --no-header --no-emit-index-url --no-emit-find-links --output-file requirements.lock pyproject.toml

clean: ## Gooi weg wat gemaakt is, ook .venv; de map van een school blijft staan
	@rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find $(CODE) tests -name __pycache__ -prune -exec rm -rf {} +

# Both stamps: the locked packages only when the lock changes, the project itself also when its own description does.
.venv/.locked: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Doorgeefluik vraagt Python 3.11 of nieuwer." >&2; exit 1; }
	@test -x $(BIN)/python || { echo "De omgeving .venv wordt gemaakt ..."; $(PYTHON) -m venv .venv; }
	@echo "De vastgelegde pakketten worden geïnstalleerd; dat duurt een paar minuten ..."
	@$(PIP) install --progress-bar off --require-hashes -r requirements.lock
	@touch $@

.venv/.installed: .venv/.locked pyproject.toml
	@$(PIP) install --progress-bar off --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q $(CODE)
	@touch $@
