# make demo   a dataset from nothing: environment, embedded teacher, generation (no key, no GPU)
# make test   set up and run the fast tests, a few minutes
# make slow   the slow tests in short form: kills, faults, benchmarks, Chromium, the local model
# make tests  both at once
# make check  lint, format, types, and `make test`
# make proof  every test in full: thousands of cases, each command in a process of its own
# make trainer  TRL's real trainers on exported folders, and student trials, in an environment of its own (torch)
# make schedule  cron for three minutes (as root, where cron is installed) and the DAG under Airflow
# make experiment  three recipes compared by a blind reading, two by students, also as a page
# make docs   the documentation as a site in site/, in an environment of its own; a broken link is an error
# make package  the wheel and the sdist in dist/, checked, and used from a new environment
# make reference  write docs/reference/ from the code
# make environments  those of `make check`, `make docs`, `make trainer`, and `make package`
# make fuzz   every parser under atheris, FUZZ_S seconds each

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# Tests start hundreds of interpreters, which otherwise compile the package each time.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test slow tests environments check lint types proof trainer experiment students schedule fuzz docs package reference lock clean

$(BIN)/.dev: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

demo:
	@ldconfig -p 2>/dev/null | grep -q libgomp.so.1 || { echo "the local teacher needs libgomp1: apt-get install libgomp1"; exit 2; }
	@command -v bwrap >/dev/null || { echo "answers with code are run in bubblewrap: apt-get install bubblewrap"; exit 2; }
	@start=$$(date +%s); $(MAKE) --no-print-directory $(BIN)/.dev && began=$$(date +%s) && \
	$(BIN)/selfinstruct generate configs/demo.yaml && done=$$(date +%s) && \
	echo "demo: environment in $$(( began - start )) s; weights, teacher and dataset in $$(( done - began )) s" && \
	$(BIN)/python -c "import datasets; rows = datasets.load_dataset('data/demo/dataset', split='train'); print(rows); print(rows[0]['messages'])"

test: $(BIN)/.dev
	$(BIN)/python -m pytest -n 2 --dist worksteal

SLOW := slow or soak or browser or local_model
slow: $(BIN)/.dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "$(SLOW)"

tests: $(BIN)/.dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m ""

lint: $(BIN)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(BIN)/.dev
	$(BIN)/mypy --strict selfinstruct examples

check: lint types test

proof: $(BIN)/.dev
	SELFINSTRUCT_PROOF=full $(BIN)/python -m pytest -m ""
	$(MAKE) trainer

# Few of the modules of torch and transformers are used, and these are compiled when they are.
TRAINER_VENV ?= .venv-trainer
$(TRAINER_VENV)/.made: pyproject.toml
	$(PYTHON) -m venv $(TRAINER_VENV)
	$(TRAINER_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --editable '.[trainer]' hypothesis pytest
	touch $@

trainer: $(TRAINER_VENV)/.made
	OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false $(TRAINER_VENV)/bin/python -m pytest -m trainer tests/trainers tests/worth

# Rows, grades, and the students' results are in the repository; `make students` trains them again.
RECIPES := list.jsonl checked.jsonl
READING := --grades grades.jsonl --rows 60 --html $(abspath data)/experiment.html
experiment: $(BIN)/.dev
	cd benchmarks/experiment && $(abspath $(BIN))/selfinstruct worth $(RECIPES) documents.jsonl $(READING) --trial trial

students: $(TRAINER_VENV)/.made
	cd benchmarks/experiment && $(abspath $(TRAINER_VENV))/bin/selfinstruct worth $(RECIPES) $(READING) --student smollm2-135m --trial $(abspath data)/trial

AIRFLOW_VENV ?= .venv-airflow
$(AIRFLOW_VENV)/.made:
	$(PYTHON) -m venv $(AIRFLOW_VENV)
	$(AIRFLOW_VENV)/bin/python -m pip install --quiet --disable-pip-version-check 'apache-airflow>=3,<4' apache-airflow-providers-standard
	touch $@

schedule: $(BIN)/.dev $(AIRFLOW_VENV)/.made
	AIRFLOW_PYTHON=$(abspath $(AIRFLOW_VENV))/bin/python $(BIN)/python -m pytest -m schedule tests/end_to_end/test_schedule.py

FUZZ_S ?= 60
fuzz: $(BIN)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris==3.0.0
	@: > fuzz.log; for name in $$($(BIN)/python fuzz/fuzz_parsers.py --list 2>/dev/null); do \
	  echo "fuzz: $$name"; $(BIN)/python fuzz/fuzz_parsers.py $$name -max_total_time=$(FUZZ_S) > fuzz.one 2>&1; \
	  grep '^Done' fuzz.one >> fuzz.log || { cat fuzz.one; exit 1; }; tail -1 fuzz.log; done; \
	  awk '{ tried += $$2 } END { print "fuzz: " tried " inputs tried" }' fuzz.log; rm -f fuzz.log fuzz.one

DOCS_VENV ?= .venv-docs
$(DOCS_VENV)/.made: pyproject.toml
	$(PYTHON) -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['docs'], sep='\n')" > $(DOCS_VENV)/requirements.txt
	$(DOCS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --requirement $(DOCS_VENV)/requirements.txt
	touch $@

docs: $(DOCS_VENV)/.made
	$(DOCS_VENV)/bin/sphinx-build --fail-on-warning --keep-going --nitpicky --quiet -E docs site
	@echo "docs: open site/index.html"

PACKAGE_VENV ?= .venv-package
$(PACKAGE_VENV)/.made:
	$(PYTHON) -m venv $(PACKAGE_VENV)
	$(PACKAGE_VENV)/bin/python -m pip install --quiet --disable-pip-version-check build check-wheel-contents hatchling twine
	touch $@

package: $(BIN)/.dev $(PACKAGE_VENV)/.made
	rm -rf dist
	$(PACKAGE_VENV)/bin/python -m build --no-isolation --outdir dist . >/dev/null
	$(PACKAGE_VENV)/bin/twine check --strict dist/*
	$(PACKAGE_VENV)/bin/check-wheel-contents dist/*.whl
	$(BIN)/python -m pytest -m package tests/end_to_end/test_package.py

environments: $(BIN)/.dev $(DOCS_VENV)/.made $(TRAINER_VENV)/.made $(PACKAGE_VENV)/.made

reference: $(BIN)/.dev
	$(BIN)/python docs/generate_reference.py

lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --extra dev --extra local pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) $(TRAINER_VENV) $(AIRFLOW_VENV) $(DOCS_VENV) $(PACKAGE_VENV) site dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
