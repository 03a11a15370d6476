"""Who subscribes to the alerts of an area is told when they change: the hub by hand, both eras over a real server."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import anyio
import httpx
import pytest

from tests.conftest import serving
from tests.raw import INITIALIZE, TIMEOUT_S, Raw, answering, eventually, gauges, request
from weather.areas import AREAS
from weather.errors import Unavailable
from weather.metrics import Metrics
from weather.nws import Alert, AlertsData
from weather.protocol.subscriptions import Subscription, Subscriptions

PREFIX = "io.modelcontextprotocol/"
CA, NY = "weather://alerts/CA", "weather://alerts/NY"
PACE_S = 0.02


class Alerts:
    """A National Weather Service whose answers the test sets: ids by area, their ends, or an error; stale as told."""

    def __init__(self):
        self.ids, self.error, self.stale, self.asked = {}, None, False, Counter()
        self.clock, self.pace_s, self.ends = anyio.current_time, PACE_S, {}
        self.nws, self.forgotten, self.ahead = self, [], []
        self.forget_alerts = self.forgotten.append

    async def alerts(self, area, *, refresh_ahead):
        self.ahead.append(refresh_ahead)
        self.asked[area] += 1
        if self.error:
            raise self.error
        alerts = tuple(Alert(id=each, event="Flood", over_at=self.ends.get(each)) for each in self.ids.get(area, ()))
        return SimpleNamespace(refresh_at=self.clock() + self.pace_s, stale=self.stale, data=AlertsData(alerts=alerts))

    def now(self):
        return datetime.now(UTC)


@asynccontextmanager
async def opened():
    nws = Alerts()
    async with anyio.create_task_group() as tasks:
        yield nws, Subscriptions(nws, Metrics(), tasks.start_soon)
        tasks.cancel_scope.cancel()


def listener(area="CA"):
    """A subscription, and the messages that it has been sent."""
    sent = []

    async def send(message):
        sent.append(message)

    return Subscription(area, "changed", send), sent


async def refreshed(nws, area="CA", times=2):
    """Waits until the answers of now have been seen."""
    before = nws.asked[area]
    while nws.asked[area] < before + times:  # noqa: ASYNC110  (the hub keeps its own time)
        await anyio.sleep(PACE_S / 4)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (["a"], ["a", "b"], 1),
        (["a", "b"], ["a"], 1),
        (["a"], ["b"], 1),
        (["a"], [], 1),
        ([], ["a"], 1),
        (["a", "b"], ["b", "a"], 0),
        (["a", "b"], ["a", "b"], 0),
    ],
)
async def test_a_change_of_the_set_is_told_and_nothing_else(before, after, told):
    async with opened() as (nws, hub):
        subscription, sent = listener()
        nws.ids["CA"] = before
        hub.add(subscription)
        await refreshed(nws)
        nws.ids["CA"] = after
        await refreshed(nws, times=3)
        assert len(sent) == told
        assert nws.forgotten == ["CA"] * told


@pytest.mark.anyio
@pytest.mark.parametrize("way", ["error", "stale"])
async def test_an_outage_is_no_change_and_what_differs_after_it_is_told(way, monkeypatch):
    monkeypatch.setattr("weather.protocol.subscriptions.AGAIN_S", PACE_S)
    async with opened() as (nws, hub):
        subscription, sent = listener()
        nws.ids["CA"] = ["a"]
        hub.add(subscription)
        await refreshed(nws)
        nws.error, nws.stale, nws.ids["CA"] = Unavailable("down") if way == "error" else None, way == "stale", []
        await refreshed(nws, times=3)
        assert sent == []
        nws.error, nws.stale, nws.ids["CA"] = None, False, ["a"]
        await refreshed(nws, times=3)
        assert sent == []
        nws.ids["CA"] = ["b"]
        await refreshed(nws, times=3)
        assert sent == ["changed"]


@pytest.mark.anyio
@pytest.mark.parametrize("stale", [False, True])
async def test_what_the_clock_ends_is_told_once_and_at_once_in_an_outage_too(stale):
    async with opened() as (nws, hub):
        subscription, sent = listener()
        nws.ids["CA"], nws.pace_s = ["a", "b"], 3600
        nws.ends["a"] = nws.now() + timedelta(seconds=0.3)
        hub.add(subscription)
        await refreshed(nws, times=1)
        nws.stale = stale
        while not sent:  # noqa: ASYNC110  (the hub keeps its own time)
            await anyio.sleep(PACE_S)
        assert nws.now() >= nws.ends["a"]
        assert (nws.asked["CA"], nws.forgotten) == (2, ["CA"])
        await anyio.sleep(3 * PACE_S)
        assert sent == ["changed"]


@pytest.mark.anyio
@pytest.mark.parametrize("way", ["error", "stale"])
async def test_who_subscribes_in_an_outage_is_told_what_comes_after_it(way, monkeypatch):
    monkeypatch.setattr("weather.protocol.subscriptions.AGAIN_S", PACE_S)
    async with opened() as (nws, hub):
        subscription, sent = listener()
        nws.error, nws.stale = Unavailable("down") if way == "error" else None, way == "stale"
        hub.add(subscription)
        await refreshed(nws, times=3)
        nws.error, nws.stale, nws.ids["CA"] = None, False, ["a"]
        await refreshed(nws, times=3)
        assert sent == ["changed"]


@pytest.mark.anyio
async def test_what_others_read_now_is_what_a_change_differs_from():
    """Refreshed at once, an answer about to expire would leave a change untold."""
    async with opened() as (nws, hub):
        hub.add(listener()[0])
        await refreshed(nws, times=3)
        assert nws.ahead[:3] == [False, True, True]


@pytest.mark.anyio
async def test_an_area_is_asked_for_once_however_many_subscribe_and_not_when_nobody_does():
    async with opened() as (nws, hub):
        subscriptions = [listener()[0] for _ in range(100)]
        for subscription in subscriptions:
            hub.add(subscription)
        started = anyio.current_time()
        await refreshed(nws, times=5)
        assert nws.asked["CA"] <= (anyio.current_time() - started) / PACE_S + 2
        assert hub.open == 100
        for subscription in subscriptions:
            hub.remove(subscription)
            hub.remove(subscription)  # twice does no harm
        asked = nws.asked["CA"]
        await anyio.sleep(5 * PACE_S)
        assert (hub.open, nws.asked["CA"]) == (0, asked)
        assert nws.asked["NY"] == 0


@pytest.mark.anyio
async def test_who_reads_nothing_holds_up_nobody_and_hears_of_two_changes_as_of_one():
    async with opened() as (nws, hub):
        gate, sent = anyio.Event(), []

        async def send(message):
            sent.append(message)
            await gate.wait()

        quick, heard = listener()
        nws.ids["CA"] = []
        hub.add(Subscription("CA", "changed", send)), hub.add(quick)
        await refreshed(nws)
        for number in range(1, 4):
            nws.ids["CA"] = [str(number)]
            await refreshed(nws, times=3)
            assert (len(sent), len(heard)) == (1, number)
        gate.set()
        await anyio.wait_all_tasks_blocked()
        assert len(sent) == 2


@pytest.mark.anyio
async def test_a_subscriber_whose_client_has_left_harms_no_other():
    """hypercorn raises from `send` on a stream that has ended while a change is being sent."""
    async with opened() as (nws, hub):
        quick, heard = listener()

        async def send(_):
            raise RuntimeError("gone")

        nws.ids["CA"] = []
        hub.add(Subscription("CA", "changed", send)), hub.add(quick)
        await refreshed(nws)
        for number in range(1, 4):
            nws.ids["CA"] = [str(number)]
            await refreshed(nws, times=3)
            assert len(heard) == number


def modern(request_id, method, params=None, **meta):
    own = {f"{PREFIX}protocolVersion": "2026-07-28", f"{PREFIX}clientCapabilities": {}, **meta}
    return request(request_id, method, {**(params or {}), "_meta": own})


def listen(request_id, *uris, **others):
    return modern(
        request_id, "subscriptions/listen", {"notifications": {"resourceSubscriptions": list(uris), **others}}
    )


def collection(*ids):
    properties = [{"id": each, "event": "Flood Watch", "status": "Actual", "areaDesc": "here"} for each in ids]
    return {"type": "FeatureCollection", "features": [{"properties": each} for each in properties]}


@pytest.fixture(scope="module")
def nws():
    """A National Weather Service with the alerts that are in the list."""
    ids = ["a"]
    with answering(lambda path: (200, collection(*ids))) as url:
        yield SimpleNamespace(url=url, ids=ids)


@pytest.fixture(scope="module")
def server(tmp_path_factory, nws):
    with serving(tmp_path_factory.mktemp("push"), NWS_API_BASE=nws.url, NWS_ALERTS_FRESH_SECONDS="1") as started:
        yield started


def post(server, message, **headers):
    method = message["method"]
    own = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2026-07-28", "mcp-method": method}
    return httpx.Client().stream("POST", f"{server.http}/mcp", json=message, headers=own | headers, timeout=TIMEOUT_S)


def total(raw, uri=CA):
    return json.loads(raw.ask("resources/read", {"uri": uri})["result"]["contents"][0]["text"])["total"]


def events(response):
    return (json.loads(line[6:]) for line in response.iter_lines() if line.startswith("data: "))


def test_every_kind_of_subscriber_is_told_within_a_refresh(server, nws):
    """Both eras over one server."""
    with Raw(server.port) as new, Raw(server.port) as old, post(server, listen("h", CA)) as response:
        new.send(listen(1, CA, "weather://alerts/XX", NY, toolsListChanged=True))
        acknowledged = new.receive()
        assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
        assert acknowledged["params"] == {
            "_meta": {f"{PREFIX}subscriptionId": 1},
            "notifications": {"resourceSubscriptions": [CA, NY]},
        }
        stream = events(response)
        assert next(stream)["params"]["_meta"] == {f"{PREFIX}subscriptionId": "h"}
        assert response.headers["x-accel-buffering"] == "no"
        old.initialize()
        assert old.ask("resources/subscribe", {"uri": CA})["result"] == {}
        assert total(old) == total(old, NY) == 1  # is ready from now on
        eventually(lambda: gauges(server.port)["mcp_subscriptions_open"] == 4, "subscribed")
        nws.ids.append("b")
        changed = {"jsonrpc": "2.0", "method": "notifications/resources/updated"}
        told = [new.receive() for _ in range(2)]
        assert all(each | {"params": 0} == changed | {"params": 0} for each in told)
        assert {each["params"]["uri"] for each in told} == {CA, NY}
        assert all(each["params"]["_meta"] == {f"{PREFIX}subscriptionId": 1} for each in told)
        assert old.receive() == changed | {"params": {"uri": CA}}
        assert next(stream) == changed | {"params": {"_meta": {f"{PREFIX}subscriptionId": "h"}, "uri": CA}}
        assert total(old) == 2  # at once
        assert old.ask("resources/unsubscribe", {"uri": CA})["result"] == {}
        new.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})
        eventually(lambda: gauges(server.port)["mcp_subscriptions_open"] == 1, "one is left")
    eventually(lambda: gauges(server.port)["mcp_subscriptions_open"] == 0, "none is left")
    assert gauges(server.port)["mcp_notifications_total"] == 4
    assert "Traceback" not in server.log


def test_a_subscription_ends_with_its_connection(server):
    for _ in range(3):
        with Raw(server.port) as new, Raw(server.port) as old:
            new.send(listen(1, CA, NY))
            new.receive()
            old.initialize().ask("resources/subscribe", {"uri": CA})
            assert gauges(server.port)["mcp_subscriptions_open"] == 3
            new.reset()
        eventually(lambda: gauges(server.port)["mcp_subscriptions_open"] == 0, "nothing outlives its session")


def test_a_hundred_resources_and_no_more(server):
    areas = [f"weather://alerts/{code}" for code in AREAS]
    with Raw(server.port) as new:
        new.send(listen(1, *areas))
        assert new.receive()["method"] == "notifications/subscriptions/acknowledged"
        new.send(listen(2, *areas))
        assert new.receive()["error"] == {"code": -32602, "message": MOST}
        new.send(listen(3, *[CA] * 101))
        assert new.receive()["error"] == {"code": -32602, "message": MOST}
        new.send(listen(1, CA))
        assert "ids must differ" in new.receive()["error"]["message"]


MOST = "At most 100 resources can be subscribed to at once."


def ask(server, message):
    with Raw(server.port) as raw:
        raw.send(message)
        return raw.receive()


@pytest.mark.parametrize(
    "params",
    [{}, {"notifications": []}, {"notifications": {"resourceSubscriptions": CA}}, {"notifications": None}],
)
def test_a_wrong_filter_is_refused_with_what_would_be_right(server, params):
    answer = ask(server, modern(1, "subscriptions/listen", params))
    assert answer["error"]["code"] == -32602
    assert "resourceSubscriptions" in answer["error"]["message"]


def test_what_is_not_supported_is_left_out_of_the_acknowledgement(server):
    answer = ask(server, modern(1, "subscriptions/listen", {"notifications": {"toolsListChanged": True}}))
    assert answer["params"]["notifications"] == {}


def test_the_servers_own_end_is_a_result_and_then_1012(tmp_path, nws):
    with serving(tmp_path, NWS_API_BASE=nws.url) as server, Raw(server.port) as raw:
        raw.send(listen(1, CA))
        raw.receive()
        with post(server, listen(2, CA)) as response:
            stream = events(response)
            next(stream)
            assert server.stop() == 0
            assert next(stream)["result"]["_meta"][f"{PREFIX}subscriptionId"] == 2
        ended = raw.receive()
        assert (ended["id"], ended["result"]["resultType"]) == (1, "complete")
        assert ended["result"]["_meta"][f"{PREFIX}subscriptionId"] == 1
        assert raw.closed().code == 1012
        assert "Traceback" not in server.log


def test_who_subscribes_is_not_idle(tmp_path, nws):
    env = {"NWS_API_BASE": nws.url, "MCP_IDLE_TIMEOUT_SECONDS": "0.5"}
    with serving(tmp_path, **env) as server, Raw(server.port) as old, Raw(server.port) as idle:
        hello = request(0, "initialize", INITIALIZE), {"jsonrpc": "2.0", "method": "notifications/initialized"}
        old.send(*hello, request(1, "resources/subscribe", {"uri": CA}))  # in one: it is not idle in between
        assert [old.receive()["id"] for _ in range(2)] == [0, 1]
        idle.send(*hello)
        assert idle.closed().reason == "idle for 0.5 s"
        assert old.ask("ping")["result"] == {}


def test_a_connection_has_a_hundred_streams_and_no_more_whatever_they_name(server):
    """Those that name nothing count as well; one that ends makes room."""
    with Raw(server.port) as raw:
        for number in range(100):
            raw.send(modern(number, "subscriptions/listen", {"notifications": {}}))
            assert raw.receive()["method"] == "notifications/subscriptions/acknowledged"
        assert gauges(server.port)["mcp_streams_open"] == 100
        late = modern("late", "subscriptions/listen", {"notifications": {}})
        raw.send(late)
        why = "At most 100 'subscriptions/listen' can be open on a connection."
        assert raw.receive()["error"] == {"code": -32602, "message": why}
        raw.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}})
        eventually(lambda: gauges(server.port)["mcp_streams_open"] == 99, "one has ended")
        raw.send(late)
        assert raw.receive()["method"] == "notifications/subscriptions/acknowledged"
    eventually(lambda: gauges(server.port)["mcp_streams_open"] == 0, "they end with their connection")


@contextmanager
def over_http(server, message):
    """The first message of an event stream."""
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": message["method"]}
    with httpx.stream("POST", f"{server.http}/mcp", json=message, headers=headers, timeout=TIMEOUT_S) as answer:
        lines = answer.iter_lines()  # which closes the stream when it is collected
        yield next(line for line in lines if line.startswith("data: ")).removeprefix("data: ")


def test_a_process_has_so_many_streams_on_both_transports(serve):
    full = {"code": -32603, "message": "This server has no room for another 'subscriptions/listen'."}
    server = serve(MCP_MAX_STREAMS="2")
    message = modern(1, "subscriptions/listen", {"notifications": {}})
    with Raw(server.port) as one, Raw(server.port) as other, ExitStack() as stack:
        one.send(message)
        assert one.receive()["method"] == "notifications/subscriptions/acknowledged"
        assert "acknowledged" in stack.enter_context(over_http(server, message))
        with over_http(server, message) as late:
            assert json.loads(late) == {"jsonrpc": "2.0", "id": 1, "error": full}
        other.send(message)
        assert other.receive()["error"] == full
        stack.close()
        eventually(lambda: gauges(server.port)["mcp_streams_open"] == 1, "one has ended")
        other.send(message)
        assert other.receive()["method"] == "notifications/subscriptions/acknowledged"
