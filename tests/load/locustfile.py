"""Agents that open MCP sessions, think, ask for the weather, and stay, leave or vanish: `make load`.

They speak over WebSocket, or over HTTP when the URL says so: then a session is a connection that is kept alive.

Every call has its time on a schedule, drawn without regard to the server. A response time counts from that time, not
from when the call could be sent: calls held up behind a stall show how long it held them up (coordinated omission).

Environment: THINK, mean seconds between an agent's calls; FAILURES, the share of failed requests from which on the
exit code is 1; TOKEN, sent as bearer token. The URL is Locust's --host.
"""

from __future__ import annotations

import logging
import math
import os
import random
import re
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import gevent
from channels import Channel, FailedError, HTTPChannel, LostError, channel_for
from locust import User, events, task
from locust.env import Environment
from locust.runners import WorkerRunner

THINK_S = float(os.environ.get("THINK", "2"))
FAILURES = float(os.environ.get("FAILURES", "0.01"))
TOKEN = os.environ.get("TOKEN", "")
AWAY_S = 5.0
NOT_MET, LIVE = 1, 2  # exit codes of runs that end themselves
BACKOFF_S, LONGEST_BACKOFF_S = 0.5, 15.0

# From the Mexican border to Lake Superior and from California to the Mississippi: all of it land.
PLACES = [(33.0 + north, -116.0 + 2 * east) for north in range(14) for east in range(14)]
HOT_PLACES = PLACES[::17]
HOT_STATES = ["CA", "TX", "FL", "NY"]
STATES = """
AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA PR
RI SC SD TN TX UT VT VA WA WV WI WY
""".split()  # noqa: SIM905  (a list would take fifty lines)
CITIES = ["Boston, MA", "chicago illinois", "Denver, CO", "98101", "Miami, FL", "Portland, Oregon"]
MORE: dict[str, list[dict[str, Any]]] = {
    "get-weather": [{}, {}, {"units": "si"}],
    "get-forecast": [{}, {}, {"hourly": True}],
    "get-alerts": [{}, {}, {"severity": "Severe"}],
}
TOOLS = {"get-weather": 5, "get-forecast": 3, "get-alerts": 2}

CLIENT = {"name": "load-test", "version": "1"}
MODERN = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
ALERTS_LIFE_S = 30  # of the simulator's answers
INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": CLIENT}

log = logging.getLogger(__name__)


def request() -> tuple[str, dict[str, Any]]:
    """A tool and its arguments; every other request is about one of a few hot places, every fifth about a city."""
    (tool,) = random.choices(list(TOOLS), list(TOOLS.values()))
    hot = random.random() < 0.5
    more, by_name = random.choice(MORE[tool]), random.random() < 0.2
    if tool == "get-alerts" and random.random() < 0.7:
        return tool, {"state": random.choice(HOT_STATES if hot else STATES), **more}
    latitude, longitude = random.choice(HOT_PLACES if hot else PLACES)
    where = {"place": random.choice(CITIES)} if by_name else {"latitude": latitude, "longitude": longitude}
    return tool, {**where, **more}


def grouped(text: str) -> str:
    return re.sub(r"-?\d+(\.\d+)?", "N", text)[:100]


def checked(answer: dict[str, Any]) -> dict[str, Any]:
    """The result; raises FailedError for a JSON-RPC error and for a tool's."""
    if error := answer.get("error"):
        raise FailedError(f"JSON-RPC error {error.get('code')}: {grouped(str(error.get('message')))}")
    result: dict[str, Any] | None = answer.get("result")
    if result is None:
        raise FailedError("neither a result nor an error")
    if result.get("isError"):
        raise FailedError(f"isError: {grouped(str(result['content'][0].get('text')))}")
    return result


class Agent(User):
    """Sessions one after the other, one call at a time in each; `due` is when the next thing was to happen."""

    abstract = True
    host = "ws://127.0.0.1:8080/ws"
    calls = (3, 10)
    met = False  # whether an agent of this process has had a session

    def on_start(self) -> None:
        self.due = time.perf_counter()
        self.failed_connects = 0

    @task
    def session(self) -> None:
        self.wait()
        try:
            with self.connected() as channel:
                self.number = 0
                self.initialize(channel)
                self.failed_connects = 0
                left: float = random.randint(*self.calls) if self.calls else math.inf
                while left > 0:
                    self.due += random.expovariate(1 / THINK_S)
                    self.wait()
                    self.call(channel)
                    left -= 1
                self.leave(channel)
            self.due += random.expovariate(1 / AWAY_S)
        except LostError as lost:
            self.lost(lost)
            self.failed_connects += 1
            backoff = min(BACKOFF_S * 2**self.failed_connects, LONGEST_BACKOFF_S)
            self.due = time.perf_counter() + backoff * random.uniform(0.5, 1.5)

    def lost(self, why: LostError) -> None:
        """Ends the run while no agent has had a session."""
        if not Agent.met and self.environment.process_exit_code is None:
            log.error("No MCP session at %s (%s): is a server running there, and is the URL right?", self.host, why)
            self.environment.process_exit_code = NOT_MET
            gevent.spawn(self.environment.runner.quit)

    def wait(self) -> None:
        gevent.sleep(max(0.0, self.due - time.perf_counter()))

    def leave(self, channel: Channel) -> None:
        """Left to the closing that follows."""

    @contextmanager
    def connected(self) -> Iterator[Channel]:
        url = str(self.host)
        carrier = channel_for(url)
        with self.measured(carrier.kind, "connect", self.due):
            channel = carrier(url, {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {})
        with closing(channel):
            yield channel

    def initialize(self, channel: Channel) -> None:
        with self.measured("MCP", "initialize", time.perf_counter()):
            try:
                checked(self.ask(channel, "initialize", INITIALIZE))
            except LostError:
                raise
            except FailedError as refused:
                raise LostError(str(refused)) from None
        Agent.met = True
        channel.tell({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def call(self, channel: Channel) -> None:
        tool, arguments = request()
        try:
            with self.measured("MCP", tool, self.due):
                result = checked(self.ask(channel, "tools/call", {"name": tool, "arguments": arguments}))
        except LostError:
            raise
        except FailedError:
            return
        except gevent.GreenletExit:
            # The end of the run: what was due by now and is not even sent has waited, too.
            while (due := self.due + random.expovariate(1 / THINK_S)) < time.perf_counter():
                self.due = due
                self.record("MCP", request()[0], due)
            raise
        if (result.get("structuredContent") or {}).get("source") == "live":
            log.error("The answers are live: never load-test the National Weather Service. Stopping.")
            self.environment.process_exit_code = LIVE
            gevent.spawn(self.environment.runner.quit)

    def ask(self, channel: Channel, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self.number += 1
        request = {"jsonrpc": "2.0", "id": self.number, "method": method, "params": params}
        answer, self.size = channel.ask(request)
        return answer

    @contextmanager
    def measured(self, kind: str, name: str, due: float) -> Iterator[None]:
        """Records what happens inside, from `due` on; at the end of the run, the time it has taken so far."""
        self.size = 0
        try:
            yield
        except FailedError as failed:
            self.record(kind, name, due, failed)
            raise
        except gevent.GreenletExit:
            self.record(kind, name, due)
            raise
        self.record(kind, name, due)

    def record(
        self, kind: str, name: str, due: float, failed: FailedError | None = None, until: float | None = None
    ) -> None:
        self.environment.events.request.fire(
            request_type=kind,
            name=name,
            response_time=1000 * ((until or time.perf_counter()) - due),
            response_length=self.size,
            exception=failed,
            context={},
        )


class Listener(Agent):
    """Subscribes to the alerts of a state, and reads them when they have changed.

    How long after NWS was asked it is told is a row of its own: what is left of the answer's life says when that was.
    """

    weight = 1

    @task
    def session(self) -> None:
        self.wait()
        uri = f"weather://alerts/{random.choice(HOT_STATES)}"
        try:
            with self.connected() as channel:
                self.number = 0
                self.initialize(channel)
                if isinstance(channel, HTTPChannel):
                    gevent.sleep(math.inf)  # There, listening takes a stream, which these agents do not read.
                checked(self.ask(channel, "resources/subscribe", {"uri": uri}))
                while channel.hear():
                    told_at = time.perf_counter()
                    read = checked(self.ask(channel, "resources/read", {"uri": uri, "_meta": MODERN}))
                    refreshed_at = time.perf_counter() - (ALERTS_LIFE_S - read["ttlMs"] / 1000)
                    self.size = 0
                    self.record("MCP", "alerts changed", min(refreshed_at, told_at), until=told_at)
        except LostError as lost:
            self.lost(lost)
            self.due = time.perf_counter() + LONGEST_BACKOFF_S * random.random()


class Resident(Agent):
    """Never leaves."""

    weight = 5
    calls = ()


class Visitor(Agent):
    """Leaves after some calls, properly, and comes back."""

    weight = 3


class Vanishing(Agent):
    """Is gone after some calls without a close frame, as a laptop lid is shut, and comes back."""

    weight = 1

    def leave(self, channel: Channel) -> None:
        channel.vanish()


@events.quitting.add_listener
def judge(environment: Environment, **_: Any) -> None:
    if environment.process_exit_code == NOT_MET:
        sys.exit(NOT_MET)  # without tables of nothing
    if isinstance(environment.runner, WorkerRunner) or environment.process_exit_code == LIVE:
        return
    total = environment.stats.total
    if total.num_requests == 0 or total.fail_ratio > FAILURES:
        log.error("%d of %d requests failed, more than a share of %g", total.num_failures, total.num_requests, FAILURES)
        environment.process_exit_code = 1
    else:
        environment.process_exit_code = 0
