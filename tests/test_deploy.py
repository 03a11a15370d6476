"""deploy/: the Kubernetes manifests against the published schemas, and nginx.conf in a real nginx. And the
tables of the documentation, which those who deploy it go by."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from websockets.sync.client import connect

from tests.conftest import ROOT, Server
from tests.raw import TIMEOUT_S, eventually
from weather.config import Settings
from weather.errors import Refusal
from weather.session.access import ENDPOINT, MCP, PROTECTED_RESOURCE, check_host_and_origin
from weather.simulator import Faults, Simulator

MANIFESTS = list(yaml.safe_load_all((ROOT / "deploy/kubernetes.yaml").read_text()))
KUBERNETES = "1.34"
FIELDS = {"status.podIP": "10.42.1.7"}
NO_SETTINGS = {"POD_IP"}
HYPERCORN_EXTRA_S = 2
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


def manifest(kind: str) -> dict[str, Any]:
    (found,) = (each for each in MANIFESTS if each["kind"] == kind)
    return found


def pod() -> dict[str, Any]:
    return manifest("Deployment")["spec"]["template"]["spec"]


def container() -> dict[str, Any]:
    (only,) = pod()["containers"]
    return only


def environment() -> dict[str, str]:
    """As the container sees it: a value may name variables that stand before it."""
    seen: dict[str, str] = {}
    for variable in container()["env"]:
        value = variable.get("value") or FIELDS[variable["valueFrom"]["fieldRef"]["fieldPath"]]
        seen[variable["name"]] = re.sub(r"\$\((\w+)\)", lambda named: seen.get(named[1], named[0]), value)
    return seen


def settings() -> Settings:
    """Those of the container."""
    return Settings.read(**{name.lower(): value for name, value in environment().items() if name not in NO_SETTINGS})


@pytest.mark.parametrize("each", MANIFESTS, ids=lambda each: each["kind"])
def test_manifest_is_valid_kubernetes(each):
    kubernetes_validate.validate(each, KUBERNETES, strict=True)


@pytest.mark.parametrize(
    ("path", "misspelt"),
    [
        (["spec", "template", "spec"], "terminationGracePeriodSecond"),
        (["spec", "template", "spec", "containers", 0, "securityContext"], "readOnlyRootFileSystem"),
        (["spec", "template", "spec", "containers", 0, "lifecycle", "preStop"], "pause"),
    ],
)
def test_misspelt_field_is_not_valid_kubernetes(path, misspelt):
    broken = copy.deepcopy(manifest("Deployment"))
    place = broken
    for step in path:
        place = place[step]
    place[misspelt] = place.popitem()[1]
    with pytest.raises(kubernetes_validate.ValidationError, match=misspelt):
        kubernetes_validate.validate(broken, KUBERNETES, strict=True)


def test_manifests_belong_together():
    labels = manifest("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert manifest("Deployment")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("Service")["spec"]["selector"] == labels
    assert manifest("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels
    target = manifest("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", manifest("Deployment")["metadata"]["name"])


def test_variables_are_settings_of_the_server():
    names = {name.lower() for name in environment().keys() - NO_SETTINGS}
    assert names <= Settings.model_fields.keys()
    assert names <= settings().model_fields_set


@pytest.mark.parametrize("host", ["10.42.1.7:8080", "10.42.1.7:9090", "10.42.1.7", "weather.example.org", "weather:80"])
def test_host_of_a_client_and_of_a_scrape_is_allowed(host):
    check_host_and_origin(asked_by(host), settings())


@pytest.mark.parametrize("host", ["10.42.1.8:8080", "evil.example", "localhost:8080"])
def test_host_of_another_pod_or_site_is_not_allowed(host):
    with pytest.raises(Refusal):
        check_host_and_origin(asked_by(host), settings())


def asked_by(host: str) -> dict[str, Any]:
    return {"headers": [(b"host", host.encode())], "server": (FIELDS["status.podIP"], 8080)}


def test_tokens_come_from_a_secret_that_is_mounted():
    (volume,), (mount,) = pod()["volumes"], container()["volumeMounts"]
    assert mount["name"] == volume["name"]
    assert volume["secret"] == {"secretName": "weather-tokens", "defaultMode": 0o440}
    assert pod()["securityContext"]["fsGroup"] == pod()["securityContext"]["runAsUser"]
    assert environment()["MCP_AUTH_TOKENS_FILE"] == f"{mount['mountPath']}/tokens"
    assert "MCP_AUTH_TOKENS" not in environment()
    assert "--from-file=tokens" in (ROOT / "deploy/kubernetes.yaml").read_text()


def test_ingress_leads_to_the_endpoints_and_to_nothing_else():
    (rule,) = manifest("Ingress")["spec"]["rules"]
    check_host_and_origin(asked_by(rule["host"]), settings())
    assert manifest("Ingress")["spec"]["tls"][0]["hosts"] == [rule["host"]]
    paths = {path["path"] for path in rule["http"]["paths"]}
    assert paths == {ENDPOINT, MCP, PROTECTED_RESOURCE}
    (port,) = manifest("Service")["spec"]["ports"]
    service = {"name": manifest("Service")["metadata"]["name"], "port": {"name": port["name"]}}
    assert all(path["backend"] == {"service": service} for path in rule["http"]["paths"])


def test_network_policy_lets_in_to_the_port_and_out_to_names_and_https():
    policy, (port,) = manifest("NetworkPolicy")["spec"], container()["ports"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    (come,), (go,) = policy["ingress"], policy["egress"]
    assert [each["port"] for each in come["ports"]] == [port["name"]]
    assert {(each["protocol"], each["port"]) for each in go["ports"]} == {("UDP", 53), ("TCP", 53), ("TCP", 443)}


def test_autoscaler_agrees_with_the_guide():
    (metric,) = manifest("HorizontalPodAutoscaler")["spec"]["metrics"]
    (percent,) = re.findall(r"when a core is (\d+)%\s+busy", (ROOT / "docs/load.md").read_text())
    assert metric["resource"] == {
        "name": "cpu",
        "target": {"type": "AverageValue", "averageValue": f"{int(percent) * 10}m"},
    }
    (sessions,) = re.findall(r'averageValue: "(\d+)"', (ROOT / "deploy/kubernetes.yaml").read_text())
    assert int(sessions) == int(percent) * int(environment()["MCP_MAX_SESSIONS"]) // 100
    (mib,) = re.findall(r"(\d+) MiB for 2,000 sessions", (ROOT / "docs/load.md").read_text())
    assert container()["resources"]["limits"]["memory"] == f"{mib}Mi"


def test_scrapes_go_to_the_port_that_the_container_listens_on():
    annotations = manifest("Deployment")["spec"]["template"]["metadata"]["annotations"]
    (port,) = container()["ports"]
    assert annotations == {"prometheus.io/scrape": "true", "prometheus.io/port": str(port["containerPort"])}


def test_grace_period_covers_the_pause_and_the_drain():
    pause = container()["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = int(environment()["MCP_GRACE_SECONDS"]) + HYPERCORN_EXTRA_S
    assert pod()["terminationGracePeriodSeconds"] > pause + drain


def test_probes_ask_the_paths_that_take_any_host():
    assert container()["livenessProbe"]["httpGet"]["path"] == "/health"
    assert container()["readinessProbe"]["httpGet"]["path"] == "/ready"


def test_container_has_no_privileges():
    assert pod()["securityContext"]["runAsNonRoot"]
    assert pod()["securityContext"]["runAsUser"] > 0
    assert pod()["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def table(file: str, title: str) -> str:
    """What stands under the file's first heading of that name, up to the next."""
    return re.split(r"\n##+ ", (ROOT / file).read_text().partition(f"# {title}\n")[2])[0]


@pytest.mark.parametrize(
    ("file", "title", "fields"),
    [
        ("docs/settings.md", "Settings", Settings.model_fields),
        ("docs/simulator.md", "The simulator's settings", Faults.model_fields),
    ],
)
def test_docs_have_every_setting_and_no_other(file, title, fields):
    rows = [row.split("|")[1] for row in table(file, title).splitlines() if row.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)`", "".join(rows))) == sorted(map(str.upper, fields))


def test_readme_draws_every_room_of_the_house():
    drawing = table("README.md", "Read it").split("```")[1]
    rooms = [path for path in (ROOT / "weather").glob("[a-z]*") if path.suffix in ("", ".py")]
    assert {f"{room.name}/" if room.is_dir() else room.name for room in rooms} == set(
        re.findall(r"\b(?!app\.py)\w+(?:\.py|/)", drawing)
    )


# nginx.conf. The real file runs, with the addresses and the trusted certificates replaced and nothing else.

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


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S).close()
    except OSError:
        return False
    return True


@contextmanager
def cache(folder: Path, upstream: int, trusted: Path) -> Iterator[str]:
    """The URL of an nginx with deploy/nginx.conf, in front of the HTTPS server on that port."""
    text, port = (ROOT / "deploy/nginx.conf").read_text(), free_port()
    for ours, tests in (
        ("listen 8088;", f"listen 127.0.0.1:{port};"),
        ("server api.weather.gov:443;", f"server 127.0.0.1:{upstream};"),
        ("/etc/ssl/certs/ca-certificates.crt", str(trusted)),
    ):
        assert text.count(ours) == 1
        text = text.replace(ours, tests)
    config = folder / "nginx.conf"
    config.write_text(text)
    log = folder / "nginx.log"
    with log.open("wb") as output:
        # As root, nginx would work as nobody, who may not enter pytest's folder.
        user = ["-g", "user root;"] if os.geteuid() == 0 else []
        command = [str(NGINX), "-e", "stderr", "-p", str(folder), "-c", str(config), *user]
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        eventually(lambda: process.poll() is not None or answers(port))
        assert process.poll() is None, log.read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(TIMEOUT_S)


@pytest.fixture
def nws(serve, certificate):
    """Starts an HTTPS server in the place of api.weather.gov, with a line in its log for each request."""
    if NGINX is None:
        pytest.skip("nginx is not installed")
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
    upstream = nws("tests.test_deploy:hasty")
    with cache(tmp_path, upstream.port, certificate) as base:
        place, alerts = f"{base}/points/39.7456,-97.0892", f"{base}/alerts/active?area=CA&status=actual"
        forecast = f"{base}/gridpoints/TOP/600,600/forecast"
        assert [get(url) for url in (place, alerts, forecast)] == [(200, "MISS")] * 3
        upstream.stop()
        eventually(lambda: get(place) == (200, "STALE"))
        eventually(lambda: get(alerts)[0] == 502)
        eventually(lambda: get(forecast)[0] == 502)


def test_cache_revalidates_with_last_modified(tmp_path, nws, certificate):
    upstream = nws("tests.test_deploy:hasty")
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
