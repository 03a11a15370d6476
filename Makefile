.PHONY: run check test autobahn bench bench-peers bench-upstream clients load soak screenshot places clean help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8080
BIND ?= 127.0.0.1:$(PORT)
# make load: number of agents, agents started per second, duration, and server URL (ws:… or http:…/mcp).
USERS ?= 50
RATE ?= 20
TIME ?= 30s
URL ?= ws://127.0.0.1:$(PORT)/ws
# make bench: parts of it to print alone, and a commit to compare with.
ONLY ?=
BEFORE ?=
# make soak: duration.
SECONDS ?= 60
# An empty value counts as unset, so that no request leaves the machine by mistake.
override NWS_API_BASE := $(or $(NWS_API_BASE),simulator)
export NWS_API_BASE

run: $(VENV)/run  ## start the server with simulated weather: PORT=8080 NWS_API_BASE=https://api.weather.gov
	@why=$$($(BIN)/python -c 'import hypercorn; hypercorn.Config.from_mapping(bind="$(BIND)").create_sockets()' \
		2>&1 | sed -n '$$ { s/\.$$//; s/.*rror: \(\[.*\] \)*//p; }'); \
	test -z "$$why" || { echo "Cannot listen on $(BIND) ($$why): try make run PORT=9000." >&2; exit 1; }
	exec $(BIN)/hypercorn --config hypercorn.toml --bind $(BIND) app:app

check: $(VENV)/test  ## run the linters and the type checker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check  ## run make check and every test: ARGS="-k name"
	env -u NWS_API_BASE -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder $(ARGS)

load: $(VENV)/load  ## run Locust against the running server: USERS=50 RATE=20 TIME=30s URL=ws://127.0.0.1:8080/ws
	$(BIN)/locust --locustfile tests/load/locustfile.py --headless --only-summary --html report.html \
		--users $(USERS) --spawn-rate $(RATE) --run-time $(TIME) --host $(URL) $(ARGS)

soak: $(VENV)/test  ## open, abuse and abandon sessions, subscriptions and HTTP connections: SECONDS=60
	$(BIN)/python -m tests.load.soak $(SECONDS)

bench-upstream: $(VENV)/run  ## measure the tools with a slow and failing Weather Service: 85 seconds
	$(BIN)/python -m tests.load.upstream

bench: $(VENV)/test  ## measure ratios to a raw echo, the SDK and a naive server: ONLY="http memory" BEFORE=commit
	env -u NWS_API_BASE $(BIN)/python -m tests.load.bench $(ONLY) $(if $(BEFORE),--before $(BEFORE))

bench-peers: $(VENV)/test $(VENV)-peers/installed  ## measure ratios to other servers: two minutes
	env -u NWS_API_BASE $(BIN)/python -m tests.load.peers $(VENV)-peers

autobahn: $(VENV)/test  ## run Autobahn's WebSocket suite: 15 minutes, PYTHON2=path of a Python 2.7 with pip
	$(BIN)/python -m tests.autobahn $(ARGS)

clients: $(VENV)/test  ## write docs/clients.md: what real MCP clients do; four minutes and 1.2 GB
	env -u NWS_API_BASE $(BIN)/python -m tests.clients

screenshot: $(VENV)/test  ## write docs/console.png: the page in a browser
	$(BIN)/python -m tests.screenshot

places: $(VENV)/test  ## write weather/places.tsv: coordinates of towns, ZIP codes and airports
	$(BIN)/python -m tests.make_places

clean:  ## remove .venv and all other generated files
	rm -rf $(VENV) $(VENV)-peers .clients build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis report.html

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## /make \1	/p' $(firstword $(MAKEFILE_LIST)) | expand -t 22
	@echo 'PYTHON=python3.13 VENV=.venv-3.13 runs a target in a separate environment with that Python.'
	@echo 'ARGS="…" is passed to pytest (make test) and Locust (make load) unchanged.'

# Each stamp file records an install: a second run installs nothing.
$(VENV)/python: | same-python
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(sys.version_info < (3, 11) and \
		"This needs Python 3.11 or newer, and $(PYTHON) is " + v + "; try make PYTHON=python3.11.")'
	$(PYTHON) -m venv $(VENV)
	touch $@

# Runs whenever PYTHON is given, even if the environment exists.
same-python:
ifneq ($(origin PYTHON),file)
	@test ! -e $(VENV)/python || test "$$($(BIN)/python -V)" = "$$($(PYTHON) -V)" || { echo "$(VENV) has" \
		"$$($(BIN)/python -V), which PYTHON=$(PYTHON) is not: make clean, or use another VENV=.venv-other." >&2; exit 1; }
endif

$(VENV)/run: pyproject.toml | $(VENV)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/test: pyproject.toml | $(VENV)/python
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@ $(VENV)/run

$(VENV)-peers/installed: tests/load/peers.txt
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/python -m pip install --quiet --requirement $<
	touch $@

$(VENV)/load: pyproject.toml | $(VENV)/python
	$(BIN)/python -m pip install --quiet --editable '.[load]'
	touch $@ $(VENV)/run
