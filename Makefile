# make test is quick, for every change; make test-all is what CI runs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DBT := $(VENV)/dbt
ENGINES := $(VENV)/engines
SPARK := $(VENV)/spark

.PHONY: setup setup-dbt setup-engines setup-spark demo pgbouncer test-browser picture test test-all test-spark spark-tests test-kills compare lint format lock benchmark release-check clean

setup: $(READY)

$(READY): requirements-dev.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	touch $@

# dbt has an environment of its own: it asks for other versions of what Meltano needs.
setup-dbt: setup $(DBT)/.ready

$(DBT)/.ready: requirements-dbt.txt
	$(BIN)/python -m venv $(DBT)
	$(BIN)/uv pip install --quiet --python $(DBT)/bin/python --require-hashes -r requirements-dbt.txt
	touch $@

# Airflow, Dagster, Prefect, dlt and Dask, with the package, for the examples of docs/engines.md.
setup-engines: setup $(ENGINES)/.ready

$(ENGINES)/.ready: requirements-engines.txt
	$(BIN)/python -m venv $(ENGINES)
	$(BIN)/uv pip install --quiet --python $(ENGINES)/bin/python --require-hashes -r requirements-engines.txt
	$(BIN)/uv pip install --quiet --python $(ENGINES)/bin/python --no-deps -e .
	touch $@

# Spark and what the tests of its data source need; its wheel is 400 MB.
setup-spark: setup $(SPARK)/.ready

$(SPARK)/.ready: requirements-spark.txt pyproject.toml
	test -x $(SPARK)/bin/python || $(BIN)/python -m venv $(SPARK)
	$(BIN)/uv pip install --quiet --python $(SPARK)/bin/python --require-hashes -r requirements-spark.txt
	$(BIN)/uv pip install --quiet --python $(SPARK)/bin/python --no-deps --no-build-isolation -e .
	touch $@

demo: setup
	$(BIN)/adpostbacks demo

# Debian's PgBouncer, for the tests of a ledger behind it; where it can't be installed they are skipped.
pgbouncer:
	test -x /usr/sbin/pgbouncer || $$(command -v sudo) apt-get install -qq -y pgbouncer || true

# Debian's Chromium, for the tests of the report's page; where it can't be installed they are skipped.
test-browser:
	test -x /usr/bin/chromium || $$(command -v sudo) apt-get install -qq -y chromium || true

# docs/report.png: the report of the demo's ledger, as Chromium shows it.
picture: setup test-browser
	folder=$$(mktemp -d) && $(BIN)/adpostbacks demo --no-postgres --keep $$folder/demo && \
		$(BIN)/python .ci/picture $$folder/demo/report.html docs/report.png && rm -r $$folder

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/pytest -n 4 --dist worksteal -m "not slow"

test-all: lint setup-dbt setup-engines pgbouncer test-browser
	$(BIN)/pytest -n 4 --dist worksteal

# The data source for Spark, on a cluster of two executors; skipped where Java is missing.
test-spark: setup
	@if $(BIN)/python -c "import sys; sys.exit(sys.version_info < (3, 11))"; then $(MAKE) --no-print-directory spark-tests; \
		else echo "Skipped: this version of Spark needs Python 3.11 or newer."; fi

spark-tests: setup-spark
	$(BIN)/mypy --python-executable $(SPARK)/bin/python pyspark_adpostbacks tests/patience.py tests/spark/*.py
	$(SPARK)/bin/pytest tests/spark

# What runs at night: kills the process at random moments: KILLS times, at those of SEED.
test-kills: KILLS ?= 200
test-kills: SEED ?= $(shell date +%s)
test-kills: setup
	@echo "KILLS=$(KILLS) SEED=$(SEED)"
	KILLS=$(KILLS) SEED=$(SEED) $(BIN)/pytest -n 4 tests/reliability/test_kills.py

# Whether another commit does the same with the same records, to the byte: make compare COMMIT=v0.1.0 ARGS="--records 5000".
compare: COMMIT ?= origin/main
compare: setup
	$(BIN)/python benchmarks/compare.py $(COMMIT) $(ARGS)

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: setup
	$(BIN)/python benchmarks/throughput.py

# Builds what a release publishes, checks its metadata, and runs each distribution from an environment of its own.
release-check: setup
	rm -rf dist
	$(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python --out-dir dist .
	$(BIN)/twine check --strict dist/*
	for file in dist/*.whl dist/*.tar.gz; do .ci/smoke $$file || exit 1; done

# Pins every distribution of the development environment for all supported versions of Python.
lock: setup
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header --extra all --extra demo --group dev pyproject.toml -o requirements-dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header requirements-dbt.in -o requirements-dbt.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header requirements-engines.in pyproject.toml -o requirements-engines.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header --extra postgres --extra sandbox --extra spark requirements-spark.in \
		pyproject.toml -o requirements-spark.txt

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache
