"""deploy/alerts.yaml and deploy/grafana.json: /metrics has what they ask for, and the alerts go off."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import ROOT
from tests.raw import TIMEOUT_S
from tests.test_metrics import EXPECTED, VALUES
from weather.metrics import Metrics

ALERTS = ROOT / "deploy/alerts.yaml"
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((ROOT / "deploy/grafana.json").read_text())
SHOWN = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
SHOWN += [annotation["expr"] for annotation in DASHBOARD["annotations"]["list"]]
EXPRESSIONS = SHOWN + [rule["expr"] for rule in RULES]
MATCHER = re.compile(r'(\w+)(=~?)"([^"]*)"')
promtool = pytest.mark.skipif(
    not (shutil.which("promtool") or "CI" in os.environ),
    reason="promtool (Debian's package prometheus) is not installed",
)


def run_promtool(*words):
    ended = subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def exposed():
    """Every name that a sample of /metrics may have."""
    endings = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}
    families = text_string_to_metric_families(Metrics().exposition().decode())
    return {family.name + ending for family in families for ending in endings.get(family.type, [""])}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_metrics_of_each_expression_exist(exposed, expression):
    bare = re.sub(r'"[^"]*"|\[[^]]*\]|\b(by|on) \([^)]*\)', "", expression)
    named = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b(?!\()", re.sub(r"\{[^}]*\}", "", bare)))
    assert named
    assert named <= exposed
    for name, matchers in re.findall(r"(\w+)\{([^}]*)\}", expression):
        for label, how, value in MATCHER.findall(matchers):
            assert label in EXPECTED.get(name, {"instance"}) | {"instance"}
            for each in value.split("|") if how == "=~" and label != "instance" else [value]:
                assert label == "instance" or re.fullmatch(VALUES[label], each.replace(".", "0")), each


@promtool
def test_alerts_are_rules():
    run_promtool("check", "rules", str(ALERTS))


@promtool
def test_panels_ask_in_promql(tmp_path):
    """promtool checks expressions in rules only."""
    fixed = [expression.replace("$__rate_interval", "5m") for expression in SHOWN]
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(fixed)]
    path = tmp_path / "panels.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    run_promtool("check", "rules", str(path))


HEALTHY = {
    'weather_build_info{instance="a", version="1"}': "1+0x40",
    'mcp_sessions_open{instance="a"}': "1000+0x40",
    'mcp_max_sessions{instance="a"}': "2000+0x40",
    'process_cpu_seconds_total{instance="a"}': "0+20x40",
    'process_cpu_seconds_total{instance="another job"}': "0+60x40",
    'event_loop_lag_seconds_bucket{instance="a", le="0.05"}': "0+240x40",
    'event_loop_lag_seconds_bucket{instance="a", le="0.1"}': "0+240x40",
    'event_loop_lag_seconds_bucket{instance="a", le="+Inf"}': "0+240x40",
    'mcp_rejected_total{instance="a", reason="capacity"}': "0+0x40",
    'mcp_rejected_total{instance="a", reason="keys"}': "0+0x40",
    'mcp_calls_total{instance="a", tool="get-alerts", outcome="ok"}': "0+600x40",
    'mcp_calls_total{instance="a", tool="get-alerts", outcome="error"}': "0+0x40",
    'mcp_calls_total{instance="a", tool="get-alerts", outcome="stale"}': "0+10x40",
    'mcp_calls_total{instance="a", tool="get-alerts", outcome="upstream_error"}': "0+1x40",
    'nws_requests_total{instance="a", endpoint="alerts", status="200"}': "0+100x40",
    'nws_requests_total{instance="a", endpoint="point", status="404"}': "0+100x40",
    'nws_requests_total{instance="a", endpoint="alerts", status="500"}': "0+1x40",
}
# Alert → the series, by a part of its name, that makes it go off, and how: at the start, and more in each minute.
SICK = {
    "WeatherGone": ("build_info", "_x40"),
    "WeatherFull": ("sessions_open", "1900+0x40"),
    "WeatherRefusesForCapacity": ("capacity", "0+1x40"),
    "WeatherBusy": ('cpu_seconds_total{instance="a"}', "0+50x40"),
    "WeatherLoopLate": ("0.05", "0+200x40"),
    "WeatherBroken": ('outcome="error"', "0+0x20 1+0x20"),
    "WeatherUpstreamFailing": ('"500"', "0+200x40"),
    "WeatherUnanswered": ("upstream_error", "0+60x40"),
    "WeatherStale": ("stale", "0+600x40"),
    "WeatherWithoutKeys": ("keys", "0+1x40"),
}


@promtool
@pytest.mark.parametrize("sick", [None, *(rule["alert"] for rule in RULES)])
def test_each_alert_goes_off_when_it_should_and_alone(tmp_path, sick):
    part, values = SICK[sick] if sick else ("", "")
    found = [series for series in HEALTHY if sick and part in series]
    assert len(found) == bool(sick)
    series = [{"series": name, "values": values if name in found else HEALTHY[name]} for name in HEALTHY]
    firing = {
        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": "30m",
        "exp_samples": [{"labels": f'{{alertname="{sick}"}}', "value": 1}] if sick else [],
    }
    test = {"interval": "1m", "input_series": series, "promql_expr_test": [firing]}
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]}))
    run_promtool("test", "rules", str(path))


def test_guide_has_every_alert_and_no_other():
    rows = [
        line.split("|")[1] for line in (ROOT / "docs/deploy.md").read_text().splitlines() if line.startswith("| `W")
    ]
    assert sorted(re.findall(r"`(\w+)`", "".join(rows))) == sorted(rule["alert"] for rule in RULES)
