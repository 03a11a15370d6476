"""deploy/nginx.conf, the cache of the Weather Service: the real file in a real nginx."""

from __future__ import annotations

import json
import re
import signal
import ssl
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.conftest import Server
from tests.nginx import needs_nginx, nginx
from tests.raw import TIMEOUT_S, eventually
from weather.simulator import Simulator

pytestmark = needs_nginx

simulator = Simulator()


async def hasty(scope, receive, send):
    """The simulator, but every answer may be kept for one second only."""

    async def sooner(message):
        if message["type"] == "http.response.start":
            message["headers"] = [
                (name, re.sub(rb"(max-?age=)\d+", rb"\g<1>1", value) if name == b"cache-control" else value)
                for name, value in message["headers"]
            ]
        await send(message)

    await simulator(scope, receive, sooner)


@contextmanager
def cache(folder: Path, upstream: int, trusted: Path) -> Iterator[str]:
    """The URL of an nginx with deploy/nginx.conf, in front of the HTTPS server on that port."""
    with nginx(
        folder,
        "nginx.conf",
        ("listen 8088;", "listen 127.0.0.1:{port};"),
        ("server api.weather.gov:443;", f"server 127.0.0.1:{upstream};"),
        ("/etc/ssl/certs/ca-certificates.crt", str(trusted)),
    ) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def nws(serve, certificate):
    """Starts an HTTPS server in the place of api.weather.gov, with a line in its log for each request."""
    flags = [
        "--certfile",
        str(certificate),
        "--keyfile",
        str(certificate),
        "--access-logfile",
        "-",
        "--access-logformat",
        "GET %(Uq)s",
    ]
    return lambda application: serve(*flags, application=application)


def get(url: str, **headers: str) -> tuple[int, str]:
    """Status and X-Cache-Status."""
    headers = {"User-Agent": "test", "Accept": "application/geo+json", **headers}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S) as response:
            return response.status, response.headers["X-Cache-Status"]
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.headers["X-Cache-Status"]


def call_every_tool(server: Server) -> list[dict[str, Any]]:
    place = {"latitude": 39.7456, "longitude": -97.0892}
    calls = [("get-weather", place), ("get-forecast", place), ("get-alerts", {"state": "CA"})]
    client = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    requests = [("initialize", client), *(("tools/call", {"name": name, "arguments": of}) for name, of in calls)]
    results = []
    with connect(server.url, subprotocols=["mcp"]) as connection:
        for number, (method, params) in enumerate(requests):
            connection.send(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}))
            results.append(json.loads(connection.recv(timeout=TIMEOUT_S))["result"])
    return results[1:]


def asked(upstream: Server) -> Counter[str]:
    return Counter(re.findall(r"GET (\S+)", upstream.log))


def test_two_containers_behind_the_cache_ask_nws_as_much_as_one(tmp_path, serve, nws, certificate):
    upstream = nws("weather.simulator:app")
    with cache(tmp_path, upstream.port, certificate) as base:
        servers = [serve(NWS_API_BASE=base) for _ in range(2)]
        first, second = map(call_every_tool, servers)
    for server in servers:
        server.stop(signal.SIGKILL)  # hypercorn waits for sessions that ended within the last ping interval
    for result in (*first, *second):
        assert not result["isError"]
        assert result["structuredContent"]["source"] == "simulated"
    assert {"/points/39.7456,-97.0892", "/alerts/active?area=CA&status=actual"} < asked(upstream).keys()
    assert set(asked(upstream).values()) == {1}


def test_cache_spans_an_outage_for_places_but_never_for_alerts_and_forecasts(tmp_path, nws, certificate):
    upstream = nws("tests.test_cache:hasty")
    with cache(tmp_path, upstream.port, certificate) as base:
        place, alerts = f"{base}/points/39.7456,-97.0892", f"{base}/alerts/active?area=CA&status=actual"
        forecast = f"{base}/gridpoints/TOP/600,600/forecast"
        assert [get(url) for url in (place, alerts, forecast)] == [(200, "MISS")] * 3
        upstream.stop()
        eventually(lambda: get(place) == (200, "STALE"))
        eventually(lambda: get(alerts)[0] == 502)
        eventually(lambda: get(forecast)[0] == 502)


def test_cache_revalidates_with_last_modified(tmp_path, nws, certificate):
    upstream = nws("tests.test_cache:hasty")
    with cache(tmp_path, upstream.port, certificate) as base:
        station = f"{base}/stations/KTOP/observations/latest"
        assert get(station) == (200, "MISS")
        eventually(lambda: get(station) == (200, "REVALIDATED"))


def test_cache_never_keeps_a_failure(tmp_path, nws, certificate):
    upstream = nws("weather.simulator:app")
    with cache(tmp_path, upstream.port, certificate) as base:
        place = f"{base}/points/39.7456,-97.0892"
        assert [get(place, **{"X-Simulate": "status=500"}) for _ in range(2)] == [(500, "MISS")] * 2
        assert [get(place) for _ in range(2)] == [(200, "MISS"), (200, "HIT")]


def test_cache_trusts_nobody_else_for_api_weather_gov(tmp_path, nws, certificate):
    upstream = nws("weather.simulator:app")
    other = tmp_path / "other.pem"
    other.write_bytes(b"".join(ssl.DER_cert_to_PEM_cert(der).encode() for der in _some_authority()))
    with cache(tmp_path, upstream.port, other) as base:
        assert get(f"{base}/points/39.7456,-97.0892")[0] == 502


def _some_authority() -> list[bytes]:
    import certifi

    context = ssl.create_default_context(cafile=certifi.where())
    return context.get_ca_certs(binary_form=True)[:1]
