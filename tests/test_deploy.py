"""deploy/: the manifests against the published schemas, compose.yaml, and nginx.conf in a real nginx. And the
tables of the documentation, which those who deploy it go by."""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
import sys
import tomllib
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.conftest import ROOT
from tests.raw import TIMEOUT_S
from weather.access import PROTECTED_RESOURCE, check_host_and_origin
from weather.asgi import HTTP_PATH, WEBSOCKET_PATH
from weather.config import Settings
from weather.errors import Refusal
from weather.simulator import Faults

MANIFESTS = list(yaml.safe_load_all((ROOT / "deploy/kubernetes.yaml").read_text()))
KUBERNETES = "1.34"
FIELDS = {"status.podIP": "10.42.1.7"}
NO_SETTINGS = {"POD_IP"}
HYPERCORN_EXTRA_S = 2


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
    assert paths == {WEBSOCKET_PATH, HTTP_PATH, PROTECTED_RESOURCE}
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


# compose.yaml and what it mounts

COMPOSE = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
VARIABLES = {"MCP_AUTH_TOKENS": "s3cret", "NWS_USER_AGENT": "test"}
docker_compose = pytest.mark.skipif(
    not shutil.which("docker-compose"), reason="docker-compose (Debian's) is not installed"
)


def composed(**variables: str) -> subprocess.CompletedProcess[str]:
    command = ["docker-compose", "-f", str(ROOT / "deploy/compose.yaml"), "config"]
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, env=environment, check=False)


@docker_compose
def test_compose_file_is_valid_and_wants_tokens():
    ended = composed(**VARIABLES)
    assert ended.returncode == 0, ended.stderr
    assert yaml.safe_load(ended.stdout)["services"].keys() == COMPOSE["services"].keys()
    for missing in VARIABLES:
        ended = composed(**{name: value for name, value in VARIABLES.items() if name != missing})
        assert (ended.returncode, missing in ended.stderr) == (1, True)


def test_what_compose_mounts_is_there():
    services = COMPOSE["services"].values()
    mounted = [each.split(":")[0] for service in services for each in service.get("volumes", [])]
    for path in mounted:
        assert (ROOT / "deploy" / path).is_file() if path.startswith(".") else path in COMPOSE["volumes"]
    dashboards = yaml.safe_load((ROOT / "deploy/grafana-dashboards.yaml").read_text())["providers"][0]["options"][
        "path"
    ]
    assert f"./grafana.json:{dashboards}/weather.json:ro" in COMPOSE["services"]["grafana"]["volumes"]


def test_compose_sets_what_is_a_setting_and_agrees_with_kubernetes():
    service = COMPOSE["services"]["weather"]
    names = {name.lower() for name in service["environment"]}
    assert names <= Settings.model_fields.keys()
    for name in ("MCP_MAX_SESSIONS", "MCP_GRACE_SECONDS"):
        assert service["environment"][name] == environment()[name]
    assert int(service["mem_limit"].removesuffix("m")) == int(container()["resources"]["limits"]["memory"][:-2])
    drain = int(service["environment"]["MCP_GRACE_SECONDS"]) + HYPERCORN_EXTRA_S
    assert int(service["stop_grace_period"].removesuffix("s")) > drain


def test_services_are_asked_where_they_listen():
    port = container()["ports"][0]["containerPort"]
    assert f"server weather:{port} " in (ROOT / "deploy/proxy.conf").read_text()
    (scrape,) = yaml.safe_load((ROOT / "deploy/prometheus.yaml").read_text())["scrape_configs"]
    assert scrape["dns_sd_configs"][0] | {"names": ["weather"], "port": port} == scrape["dns_sd_configs"][0]
    base = COMPOSE["services"]["weather"]["environment"]["NWS_API_BASE"]
    assert "http://nws-cache:8088" in base
    assert "listen 8088;" in (ROOT / "deploy/nginx.conf").read_text()
    (source,) = yaml.safe_load((ROOT / "deploy/grafana.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert {"nws-cache", "prometheus", "weather"} < COMPOSE["services"].keys()


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_prometheus_takes_its_configuration():
    command = ["promtool", "check", "config", str(ROOT / "deploy/prometheus.yaml")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert ended.returncode == 0, ended.stderr


def test_image_installs_the_dependencies_before_a_change_of_the_source_matters():
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", "").splitlines()
    (listing,) = [line for line in lines if "--requirement" in line]
    assert lines.index("COPY pyproject.toml ./") < lines.index(listing) < lines.index("COPY weather weather")
    command = listing.removeprefix("RUN ").partition(">requirements.txt")[0].replace("python", sys.executable, 1)
    listed = subprocess.run(
        command, shell=True, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=True
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert listed.stdout.splitlines() == project["dependencies"]


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


def test_readme_draws_every_package_and_module():
    drawing = table("README.md", "Read it").split("```")[1]
    parts = [path for path in (ROOT / "weather").glob("[a-z]*") if path.suffix in ("", ".py")]
    assert {f"{part.name}/" if part.is_dir() else part.name for part in parts} == set(
        re.findall(r"\b(?!app\.py)\w+(?:\.py|/)", drawing)
    )
