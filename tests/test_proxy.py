"""deploy/proxy.conf: the real file in a real nginx, before two real servers."""

from __future__ import annotations

import json
import random
import re
import signal
import ssl
import struct
import tomllib
from asyncio import TaskGroup, sleep, to_thread
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPSConnection

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.conftest import ROOT, serving
from tests.nginx import free_port, needs_nginx, nginx
from tests.raw import CLOSE, INITIALIZE, PING, PONG, TIMEOUT_S, Raw, answering, eventually, frame, gauges, request
from weather.transports.event_stream import BEAT_S

pytestmark = needs_nginx

CLIENTS = 200
SOON = {"NWS_ALERTS_FRESH_SECONDS": "1"}
CA = "weather://alerts/CA"
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
LISTEN = request("listen", "subscriptions/listen", {"notifications": {"resourceSubscriptions": [CA]}, "_meta": META})
SERVER = "server weather:8080 resolve max_fails=0;"


@contextmanager
def proxy(folder, *servers, listen="listen 127.0.0.1:{port};", replaced=()):
    """Its port."""
    ports = [getattr(server, "port", server) for server in servers]
    addresses = " ".join(SERVER.replace("weather:8080 resolve", f"127.0.0.1:{port}") for port in ports)
    with nginx(folder, "proxy.conf", ("listen 8080;", listen), (SERVER, addresses), *replaced) as port:
        yield port


@pytest.fixture
def alerts():
    """The ids of the alerts in force, and the URL of the National Weather Service that tells them."""
    ids = ["a"]

    def answer(path):
        same = {"status": "Actual", "event": "Flood Watch", "areaDesc": "here", "severity": "Minor"}
        features = [{"properties": {"id": each, **same}} for each in ids]
        return 200, {"type": "FeatureCollection", "features": features}

    with answering(answer) as url:
        yield ids, url


def sessions(server):
    return gauges(server.port)["mcp_sessions_open"]


def directive(name):
    """Its seconds in proxy.conf."""
    (found,) = set(re.findall(rf"^ *{name} (\d+)s;", (ROOT / "deploy/proxy.conf").read_text(), re.MULTILINE))
    return int(found)


def test_who_keeps_a_connection_for_longer_is_who_ends_it_last():
    hypercorn = tomllib.loads((ROOT / "hypercorn.toml").read_text())
    assert max(hypercorn["websocket_ping_interval"], BEAT_S) < directive("proxy_read_timeout")
    assert directive("keepalive_timeout") < hypercorn["keep_alive_timeout"]


def test_sessions_are_spread_by_the_fewest_connections(tmp_path, serve):
    """Those that end on one server make room there, where taking turns would see none."""
    first, second = serve(), serve()
    with proxy(tmp_path, first, second) as port, ExitStack() as stack:
        on_first = []
        for _ in range(10):
            before, raw = sessions(first), stack.enter_context(Raw(port)).initialize()
            on_first += [raw] * (sessions(first) > before)
        assert [sessions(first), sessions(second), len(on_first)] == [5, 5, 5]
        for raw in on_first:
            raw.socket.close()
        eventually(lambda: sessions(first) == 0, "they have ended")
        for _ in range(5):
            stack.enter_context(Raw(port)).initialize()
        assert [sessions(first), sessions(second)] == [5, 5]


def test_a_session_for_which_one_server_has_no_room_goes_to_the_other(tmp_path, serve):
    servers = serve(MCP_MAX_SESSIONS="1"), serve()
    with proxy(tmp_path, *servers) as port, ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(Raw(port)).initialize()
        assert [sessions(server) for server in servers] == [1, 5]


def test_both_sides_are_told_how_the_other_closes(tmp_path, serve):
    server = serve()
    with proxy(tmp_path, server) as port, Raw(port).initialize() as raw, Raw(port).initialize() as leaving:
        leaving.socket.sendall(frame(CLOSE, struct.pack("!H", 4001) + b"enough"))
        assert leaving.closed(answer=False).code == 4001
        eventually(lambda: "code=4001" in server.log, "the code in the log")
        server.process.send_signal(signal.SIGTERM)
        closed = raw.closed()
        assert (closed.code, closed.reason) == (1012, "the server is going down")


@pytest.mark.parametrize(("ping_s", "stays"), [(0.5, True), (600, False)])
def test_pings_keep_an_idle_session_for_longer_than_the_proxy_waits(tmp_path, serve, ping_s, stays):
    text = (ROOT / "hypercorn.toml").read_text()
    assert text.count("websocket_ping_interval = 20") == 1
    (tmp_path / "pings.toml").write_text(text.replace("interval = 20", f"interval = {ping_s}"))
    server = serve(config=str(tmp_path / "pings.toml"))
    shorter = (
        ("proxy_read_timeout 60s;", "proxy_read_timeout 4s;"),
        ("proxy_send_timeout 60s;", "proxy_send_timeout 4s;"),
    )
    with proxy(tmp_path, server, replaced=shorter) as port, Raw(port).initialize() as raw:
        if not stays:
            assert raw.closed().code == 1006
            return
        for _ in range(10):  # five seconds and more
            opcode, payload = raw.frame()
            assert opcode == PING
            raw.socket.sendall(frame(PONG, payload))
        assert raw.ask("ping")["result"] == {}


def test_subscribers_are_told_at_once_over_both_transports(tmp_path, serve, alerts):
    """What is held back until more comes, or until the end of the stream, would not come here."""
    ids, nws = alerts
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "subscriptions/listen", "Mcp-Name": "-"}
    headers |= {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    with proxy(tmp_path, serve(NWS_API_BASE=nws, **SOON)) as port, Raw(port) as raw, closing(connection(port)) as http:
        raw.send(LISTEN)
        http.request("POST", "/mcp", json.dumps(LISTEN), headers)
        stream = http.getresponse()
        assert raw.receive()["method"] == event(stream)["method"] == "notifications/subscriptions/acknowledged"
        assert "result" in raw.ask("resources/read", {"uri": CA, "_meta": META})  # so that what comes now is a change
        ids.append("b")
        assert raw.receive()["params"]["uri"] == event(stream)["params"]["uri"] == CA


def connection(port):
    return HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)


def event(stream):
    """The next message of an event stream."""
    while line := stream.readline():
        if line.startswith(b"data: "):
            return json.loads(line.removeprefix(b"data: "))
    raise EOFError


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_server_names_itself_as_clients_know_it(tmp_path, serve, certificate, scheme):
    """Whatever scheme they claim to have used before the proxy."""
    server = serve(MCP_AUTH_JWKS_URL="http://127.0.0.1:9/", MCP_AUTH_ISSUER="https://issuer.example")
    listen, http = "listen 127.0.0.1:{port};", HTTPConnection
    if scheme == "https":
        listen = f"listen 127.0.0.1:{{port}} ssl; ssl_certificate {certificate}; ssl_certificate_key {certificate};"
        context = ssl.create_default_context(cafile=str(certificate))
        http = lambda *address, **more: HTTPSConnection(*address, context=context, **more)  # noqa: E731
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    with proxy(tmp_path, server, listen=listen) as port, closing(http("127.0.0.1", port, timeout=TIMEOUT_S)) as client:
        base = f"{scheme}://localhost:{port}"
        sent = {"Host": f"localhost:{port}", "X-Forwarded-Proto": "https" if scheme == "http" else "http"}

        def ask(method, path, **headers):
            client.request(method, path, headers=sent | headers)
            response = client.getresponse()
            return response.read(), response.headers

        metadata = "/.well-known/oauth-protected-resource"
        assert json.loads(ask("GET", metadata)[0])["resource"] == f"{base}/mcp"
        _, refused = ask("POST", "/mcp", **{"Content-Type": "application/json", "Accept": "application/json"})
        assert f'resource_metadata="{base}{metadata}/mcp"' in refused["WWW-Authenticate"]
        _, refused = ask("GET", "/ws", **upgrade, **{"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="})
        assert f'resource_metadata="{base}{metadata}/ws"' in refused["WWW-Authenticate"]


@pytest.mark.parametrize("path", ["/metrics", "/health", "/ready", "/", "/ws/", "/mcp/x"])
def test_only_the_endpoints_are_reached_from_outside(tmp_path, server, path):
    with proxy(tmp_path, server) as port, closing(connection(port)) as client:
        client.request("GET", path)
        assert client.getresponse().status == 404


@pytest.mark.anyio
@pytest.mark.timeout(4 * TIMEOUT_S)
async def test_a_rolling_restart_loses_no_change_for_any_subscriber(tmp_path, alerts):
    """An alert comes while one of the two is down, and another while the other is."""
    ids, nws = alerts
    ports, seen = [free_port(), free_port()], [frozenset()] * CLIENTS
    with ExitStack() as stack:

        def start(port):
            return stack.enter_context(serving(tmp_path, "--bind", f"127.0.0.1:{port}", NWS_API_BASE=nws, **SOON))

        def told():
            return all(read == set(ids) for read in seen)

        servers = [start(port) for port in ports]
        url = f"ws://127.0.0.1:{stack.enter_context(proxy(tmp_path, *ports))}/ws"
        async with TaskGroup() as clients:
            following = [clients.create_task(follow(url, number, seen)) for number in range(CLIENTS)]
            await to_thread(eventually, told)
            for port, server, alert in zip(ports, servers, "bc", strict=True):
                assert await to_thread(server.stop) == 0
                ids.append(alert)
                await to_thread(start, port)
                await to_thread(eventually, told)
            for task in following:
                task.cancel()


async def follow(url, number, seen):
    """Subscribes, every other one in the legacy era; reads then, and at each change; comes back, as the guide says."""
    subscribe = request("listen", "resources/subscribe", {"uri": CA})
    first = [LISTEN] if number % 2 else [request("initialize", "initialize", INITIALIZE), subscribe]
    meta = {"_meta": META} if number % 2 else {}
    while True:
        try:
            async with connect(url, subprotocols=["mcp"], compression=None, open_timeout=TIMEOUT_S) as socket:
                for message in first:
                    await socket.send(json.dumps(message))
                async for text in socket:
                    message = json.loads(text)
                    if "error" in message:  # The Weather Service was too slow, on a machine that is.
                        await sleep(1)
                    if {"method", "error"} & message.keys() or message["id"] == "listen":
                        await socket.send(json.dumps(request("read", "resources/read", {"uri": CA, **meta})))
                    elif message["id"] == "read":
                        held = json.loads(message["result"]["contents"][0]["text"])["alerts"]
                        seen[number] = frozenset(alert["id"] for alert in held)
        except (OSError, EOFError, WebSocketException):
            await sleep(random.uniform(0.1, 1))
