.PHONY: run check test bench bench-upstream load soak screenshot clean
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8080
BIND ?= 127.0.0.1:$(PORT)
# make load: agents, how many start per second, for how long, and against which server, ws:… or http:…/mcp.
USERS ?= 50
RATE ?= 20
TIME ?= 30s
URL ?= ws://127.0.0.1:$(PORT)/ws
# make soak: for how long.
SECONDS ?= 60
export NWS_API_BASE ?= simulator

run: $(VENV)/run
	exec $(BIN)/hypercorn --config hypercorn.toml --bind $(BIND) app:app

check: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check
	env -u NWS_API_BASE $(BIN)/pytest --numprocesses 3 --dist worksteal $(ARGS)

load: $(VENV)/load
	$(BIN)/locust --locustfile tests/load/locustfile.py --headless --only-summary --html report.html \
		--users $(USERS) --spawn-rate $(RATE) --run-time $(TIME) --host $(URL) $(ARGS)

soak: $(VENV)/test
	$(BIN)/python -m tests.load.soak $(SECONDS)

bench-upstream: $(VENV)/run
	$(BIN)/python -m tests.load.upstream

bench: $(VENV)/test
	env -u NWS_API_BASE $(BIN)/python -m tests.load.bench

screenshot: $(VENV)/test
	$(BIN)/python -m tests.screenshot

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Each stamp is as old as its install: a second run installs nothing.
$(VENV)/python:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/run: pyproject.toml | $(VENV)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/test: pyproject.toml | $(VENV)/python
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@ $(VENV)/run

$(VENV)/load: pyproject.toml | $(VENV)/python
	$(BIN)/python -m pip install --quiet --editable '.[load]'
	touch $@ $(VENV)/run
