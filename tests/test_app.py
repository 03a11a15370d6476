"""`app` driven by hand: what it sends for what it receives, event by event."""

import json
import logging
import resource
from contextlib import asynccontextmanager
from types import SimpleNamespace

import anyio
import pytest

from app import app
from tests.raw import TIMEOUT_S
from weather import __version__, serving
from weather.access import Access
from weather.console import Console
from weather.transports import Sessions, StreamableHTTP

pytestmark = pytest.mark.anyio

HOST = (b"host", b"localhost:8000")
LOOPBACK = ("127.0.0.1", 8000)
JSON = "application/json"
STARTED = {"type": "lifespan.startup.complete"}
STOPPED = {"type": "lifespan.shutdown.complete"}
LEFT = {"type": "websocket.disconnect", "code": 1006}


@pytest.fixture(autouse=True)
def _simulated(monkeypatch):
    monkeypatch.setenv("NWS_API_BASE", "simulator")


@pytest.fixture(autouse=True)
def _logging_is_put_back():
    loggers = [logging.getLogger(name) for name in ("", "hypercorn.error", "mcp", "httpx", "httpcore", "stamina")]
    before = [(logger, logger.handlers[:], logger.level, logger.filters[:]) for logger in loggers]
    loggers[0].handlers = []
    yield
    for logger, *was in before:
        logger.handlers, logger.level, logger.filters = was
        logger.setLevel(logger.level)  # drops what loggers remember of levels


@asynccontextmanager
async def running():
    """The state between startup and shutdown; both must be answered with one event."""
    state, events = {}, []
    to_app, by_app = anyio.create_memory_object_stream(2)
    answer, answered = anyio.create_memory_object_stream(2)

    async def send(event):
        events.append(event)
        await answer.send(event)

    async with anyio.create_task_group() as tasks, to_app, by_app, answer, answered:
        tasks.start_soon(app, {"type": "lifespan", "state": state}, by_app.receive, send)
        with anyio.fail_after(TIMEOUT_S):
            await to_app.send({"type": "lifespan.startup"})
            assert await answered.receive() == STARTED
        yield state
        with anyio.fail_after(TIMEOUT_S):
            await to_app.send({"type": "lifespan.shutdown"})
            assert await answered.receive() == STOPPED
    assert events == [STARTED, STOPPED]


def script(*events):
    """A `receive` that plays these, and then has no more events."""
    left = list(events)

    async def receive():
        if left:
            return left.pop(0)
        return await anyio.sleep_forever()

    receive.left = left
    return receive


async def run(scope, receive):
    sent = []

    async def send(event):
        sent.append(event)

    with anyio.fail_after(TIMEOUT_S):
        await app(scope, receive, send)
    return sent


async def request(state, method, path, *headers, server=LOOPBACK, receive=None, **more):
    scope = {"type": "http", "method": method, "path": path, "headers": headers, "server": server, "state": state}
    scope |= more
    return await run(scope, receive or script({"type": "http.request", "body": b"", "more_body": False}))


async def handshake(state, path="/ws", *, subprotocols=(), headers=(HOST,), receive=None):
    if subprotocols:
        headers = (*headers, (b"sec-websocket-protocol", ", ".join(subprotocols).encode()))
    scope = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "subprotocols": list(subprotocols),
        "client": ("127.0.0.1", 50000),
        "server": LOOPBACK,
        "state": state,
        "extensions": {"websocket.http.response": {}},
    }
    return await run(scope, receive or script({"type": "websocket.connect"}, LEFT))


def answer(status, body, kind="http.response", **headers):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"content-type": JSON, "content-length": str(len(body)), **headers}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in lines.items()]
    return [{"type": f"{kind}.start", "status": status, "headers": raw}, {"type": f"{kind}.body", "body": body}]


def refusal(status, reason, message, kind="http.response", **headers):
    return answer(status, {"error": reason, "message": message}, kind, **headers)


NOT_FOUND = refusal(404, "path", "There is nothing at this path; the MCP endpoints are /ws and /mcp.")
NOT_ALLOWED = refusal(405, "method", "Use GET or HEAD; MCP is at /mcp.", allow="GET, HEAD")
UPGRADE = refusal(
    426,
    "upgrade",
    "Open a WebSocket here, with the subprotocol 'mcp'; over HTTP, MCP is at /mcp.",
    upgrade="websocket",
    connection="upgrade",
)
DESCRIPTION = answer(
    200,
    {
        "name": "weather",
        "version": __version__,
        "endpoint": "/ws",
        "subprotocol": "mcp",
        "http": "/mcp",
        "tools": ["get-weather", "get-forecast", "get-alerts"],
    },
    vary="accept",
)
HEALTHY = answer(200, b'{"status":"ok"}')
READY = answer(200, {"status": "ready"})


async def test_startup_fills_the_state_and_shutdown_ends_what_it_began():
    async with running() as state:
        assert isinstance(state.pop("sessions"), Sessions)
        assert isinstance(state.pop("access"), Access)
        assert isinstance(state.pop("mcp"), StreamableHTTP)
        assert isinstance(state.pop("console"), Console)
        assert state == {}


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        (
            "NWS_API_BASE",
            "ftp://example.org",
            "'simulator' or a URL that begins with http:// or https://, without a query",
        ),
        ("NWS_API_BASE", "http://", "'simulator' or a URL that begins with http:// or https://, without a query"),
        (
            "NWS_API_BASE",
            "https://example.org/?key=1",
            "'simulator' or a URL that begins with http:// or https://, without a query",
        ),
        ("NWS_USER_AGENT", "caf\xe9", "printable ASCII characters, as it is sent in a header"),
        ("NWS_DEADLINE_SECONDS", "0", "greater than 0"),
        ("MCP_MAX_SESSIONS", "0", "greater than or equal to 1"),
        ("MCP_MAX_SESSIONS", "many", "a whole number"),
        ("MCP_AUTH_JWKS_URL", "keys.json", "a URL that begins with http:// or https://"),
        ("MCP_AUTH_ISSUER", "me", "unset, or MCP_AUTH_JWKS_URL set with it"),
        ("LOG_LEVEL", "LOUD", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("LOG_FORMAT", "xml", "'text' or 'json'"),
        ("MCP_AUTH_TOKENS", "", "set to something, or unset"),
        ("MCP_AUTH_TOKENS_FILE", "/none", "a readable file with a token in each line"),
        (
            "MCP_ALLOWED_HOSTS",
            "http://example.com/",
            "names as in a Host header, such as example.com, example.com:8080 or *.example.com, separated by commas,"
            " or *",
        ),
        (
            "MCP_ALLOWED_ORIGINS",
            "null",
            "origins of pages, such as https://example.com or https://*.example.com, without a path, separated by"
            " commas, or *",
        ),
    ],
)
async def test_bad_setting_fails_the_startup_with_one_sentence(monkeypatch, variable, value, expected):
    monkeypatch.setenv(variable, value)
    state = {}
    sent = await run({"type": "lifespan", "state": state}, script({"type": "lifespan.startup"}))
    message = f"{variable} is {value!r}, and should be {expected}."
    assert (sent, state) == ([{"type": "lifespan.startup.failed", "message": message}], {})


async def test_what_nobody_foresaw_fails_the_startup_too(monkeypatch, tmp_path):
    """hypercorn would serve on after an exception, with no state."""
    monkeypatch.setenv("NWS_API_BASE", "https://127.0.0.1:9")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    sent = await run({"type": "lifespan", "state": {}}, script({"type": "lifespan.startup"}))
    message = "This server cannot start: FileNotFoundError(2, 'No such file or directory')."
    assert sent == [{"type": "lifespan.startup.failed", "message": message}]


async def test_scope_types_that_are_not_known_are_left_alone():
    assert await run({"type": "telnet"}, script()) == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", DESCRIPTION),
        ("/health", HEALTHY),
        ("/ready", READY),
        ("/ws", UPGRADE),
        ("/nowhere", NOT_FOUND),
        ("/ws/", NOT_FOUND),
        ("/health/", NOT_FOUND),
        ("", NOT_FOUND),
    ],
)
async def test_get_and_head_are_answered_alike(method, path, expected):
    async with running() as state:
        assert await request(state, method, path, HOST) == expected


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "get"])
async def test_other_methods_are_not_allowed(method):
    async with running() as state:
        for path in ("/", "/health", "/ready", "/metrics"):
            assert await request(state, method, path, HOST) == NOT_ALLOWED
        assert await request(state, method, "/nowhere", HOST) == NOT_FOUND


@pytest.mark.parametrize("path", ["/mcp", "/health", "/metrics", "/", "/.well-known/oauth-protected-resource"])
async def test_another_spelling_of_a_path_is_not_the_path(path):
    async with running() as state:
        found = await request(state, "GET", path, HOST, raw_path=b"%2f" + path[1:].encode())
        assert found == NOT_FOUND


async def test_metrics_are_prometheus_text():
    async with running() as state:
        start, body = await request(state, "GET", "/metrics", HOST)
    assert start == {
        "type": "http.response.start",
        "status": 200,
        "headers": [
            (b"content-type", b"text/plain; version=0.0.4; charset=utf-8"),
            (b"content-length", str(len(body["body"])).encode()),
        ],
    }
    assert b"\nmcp_sessions_open 0.0\n" in body["body"]


async def test_refusals_are_counted_by_reason():
    async with running() as state:
        await request(state, "GET", "/nowhere", HOST)
        await handshake(state, "/nowhere")
        await handshake(state, subprotocols=["other"])
        _, body = await request(state, "GET", "/metrics", HOST)
    assert b'\nmcp_rejected_total{reason="path",transport="http"} 1.0\n' in body["body"]
    assert b'\nmcp_rejected_total{reason="path",transport="websocket"} 1.0\n' in body["body"]
    assert b'\nmcp_rejected_total{reason="subprotocol",transport="websocket"} 1.0\n' in body["body"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            [(b"host", b"evil.example")],
            refusal(
                421,
                "host",
                "Host 'evil.example' is not served here: use a name that MCP_ALLOWED_HOSTS lists, or localhost if"
                " unset.",
            ),
        ),
        (
            [HOST, (b"origin", b"https://evil.example")],
            refusal(
                403,
                "origin",
                "Origin 'https://evil.example' is neither this host's nor listed in MCP_ALLOWED_ORIGINS.",
            ),
        ),
        ([], refusal(400, "host", "Send one Host header, with the name and port of this server.")),
    ],
)
async def test_host_and_origin_guard_all_but_health_and_ready(headers, expected):
    async with running() as state:
        for path in ("/", "/metrics", "/ws", "/nowhere"):
            assert await request(state, "GET", path, *headers) == expected
        assert await request(state, "GET", "/health", *headers) == HEALTHY
        assert await request(state, "GET", "/ready", *headers) == READY


@pytest.mark.parametrize(("method", "path"), [("POST", "/health"), ("PUT", "/ws")])
async def test_refusal_does_not_wait_for_an_upload(method, path):
    """The server does (serving/test_http1.py)."""
    receive = script({"type": "not reached"})
    async with running() as state:
        sent = await request(state, method, path, HOST, receive=receive)
    assert sent == (NOT_ALLOWED if path == "/health" else UPGRADE)
    assert receive.left == [{"type": "not reached"}]


@pytest.mark.parametrize(
    ("subprotocols", "accepted"),
    [(["mcp"], "mcp"), (["other", "mcp"], "mcp"), (["mcp", "other"], "mcp"), ([], None)],
)
async def test_handshake_is_accepted_with_mcp_where_it_was_offered(subprotocols, accepted):
    async with running() as state:
        sent = await handshake(state, subprotocols=subprotocols)
    assert sent == [{"type": "websocket.accept", "subprotocol": accepted}]


WS = "websocket.http.response"


@pytest.mark.parametrize("path", ["/", "/ws/", "/WS", "/health", "/nowhere"])
async def test_handshake_at_another_path_is_refused(path):
    async with running() as state:
        assert await handshake(state, path, subprotocols=["mcp"]) == refusal(
            404, "path", "The MCP endpoint is /ws.", WS
        )


@pytest.mark.parametrize("subprotocols", [["other"], ["MCP"], ["graphql-ws", "mqtt"]])
async def test_handshake_with_only_other_subprotocols_is_refused(subprotocols):
    async with running() as state:
        sent = await handshake(state, subprotocols=subprotocols)
    message = "Offer the subprotocol 'mcp', in one Sec-WebSocket-Protocol header line, or none at all."
    assert sent == refusal(400, "subprotocol", message, WS)


async def test_handshake_from_another_sites_page_is_refused():
    async with running() as state:
        sent = await handshake(state, headers=(HOST, (b"origin", b"http://evil.example")))
    message = "Origin 'http://evil.example' is neither this host's nor listed in MCP_ALLOWED_ORIGINS."
    assert sent == refusal(403, "origin", message, WS)


async def test_handshake_without_a_token_is_refused_where_tokens_are_asked_for(monkeypatch):
    monkeypatch.setenv("MCP_AUTH_TOKENS", "s3cret")
    async with running() as state:
        sent = await handshake(state)
        assert (await handshake(state, headers=(HOST, (b"authorization", b"Bearer s3cret"))))[0]["type"] == (
            "websocket.accept"
        )
    message = "Send the header 'Authorization: Bearer <token>'."
    assert sent == refusal(401, "token_missing", message, WS, www_authenticate='Bearer realm="weather"')


NO_ROOM = refusal(503, "capacity", "There is no room for another session now.", WS, retry_after="5")


async def test_full_server_refuses_handshakes_and_is_not_ready_until_a_session_ends(monkeypatch):
    monkeypatch.setenv("MCP_MAX_SESSIONS", "1")
    leave, left = anyio.create_memory_object_stream(2)
    leave.send_nowait({"type": "websocket.connect"})
    async with running() as state, leave, left:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: handshake(state, receive=left.receive))
            await anyio.wait_all_tasks_blocked()
            assert await request(state, "GET", "/ready", HOST) == answer(503, {"status": "full"})
            assert await request(state, "GET", "/health", HOST) == HEALTHY
            assert await handshake(state, subprotocols=["mcp"]) == NO_ROOM
            leave.send_nowait(LEFT)
        assert await request(state, "GET", "/ready", HOST) == READY
        assert (await handshake(state))[0]["type"] == "websocket.accept"


@pytest.mark.parametrize(
    ("files", "most", "warning"),
    [
        (1000, 500, "2000 sessions and 500 other connections do not fit into 1000 file descriptors"),
        (4999, 2499, ""),
        (4000, 2000, ""),
        (3998, 1999, "2000 sessions and 1999 other connections do not fit into 3998 file descriptors"),
        (100_000, 3000, ""),
    ],
)
async def test_connections_take_half_of_the_descriptors_at_most_and_sessions_that_do_not_fit_are_warned_of(
    files, most, warning, capsys
):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < files:
        pytest.skip(f"no more than {hard} descriptors may be had here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    try:
        async with running():
            assert serving.limits.connections == most
        logged = capsys.readouterr().err
        assert warning in logged
        assert ("do not fit" in logged) == bool(warning)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_draining_server_refuses_handshakes_and_is_not_ready():
    async with running() as state:
        going_down = anyio.Event()
        served = SimpleNamespace(
            going_down=going_down, extend_graceful_timeout=lambda grace_s: None, abort_slow_readers=lambda: None
        )
        state["sessions"].on_connection(served)
        going_down.set()
        await anyio.wait_all_tasks_blocked()
        assert await request(state, "GET", "/ready", HOST) == answer(503, {"status": "draining"})
        assert await request(state, "GET", "/health", HOST) == HEALTHY
        assert await handshake(state) == NO_ROOM
