"""The alerts name only metrics and labels that the gateway has; promtool, if there is one, runs their own tests."""

import inspect
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from gateway.cli import watch
from gateway.delivery import courier
from gateway.domain.errors import Code
from gateway.domain.reservation import How
from gateway.server import monitoring, policy_metrics, queue_metrics
from gateway.telemetry import Telemetry

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
TEXT = ALERTS.read_text(encoding="utf-8")
PROMETHEUS = ROOT / "deploy" / "prometheus" / "prometheus.yaml"
METRIC = re.compile(r"\bgateway_[a-z_]+\b")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}

with_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not on the PATH")


def names_of_the_gateway():
    registry = CollectorRegistry()
    Telemetry(registry)
    counted = {family.name + end for family in registry.collect() for end in SUFFIXES[family.type]}
    sources = "".join(map(inspect.getsource, (monitoring, policy_metrics, queue_metrics)))
    return counted | set(METRIC.findall(sources))


def test_every_metric_of_an_alert_exists():
    named = set(METRIC.findall(TEXT))
    assert "gateway_ledger_up" in named
    assert named <= names_of_the_gateway()


@pytest.mark.parametrize(
    ("label", "values"),
    [
        ("outcome", {"admitted", *Code}),
        ("how", set(How)),
        ("state", {"open", "in_doubt"}),
        ("severity", {"page", "ticket"}),
    ],
)
def test_every_label_of_an_alert_has_a_value_that_exists(label, values):
    named = {
        value for text in re.findall(rf'\b{label}(?:=~?"|: )([a-z_|]+)', TEXT) for value in text.split("|") if value
    }
    assert named
    assert named <= values


def test_the_result_of_a_reload_that_raises_an_alert_is_one_that_is_counted():
    counted = set(re.findall(r'reloads\["(\w+)"\]', inspect.getsource(watch)))
    raised = set(re.findall(r'reloads_total\{result="(\w+)"', TEXT))
    assert raised
    assert raised < counted


def test_the_result_of_a_delivery_that_raises_an_alert_is_one_that_is_counted():
    counted = set(re.findall(r'_count\(delivery, "(\w+)"\)', inspect.getsource(courier)))
    raised = set(re.findall(r'deliveries_total\{result="(\w+)"', TEXT))
    assert raised
    assert raised < counted


def test_every_alert_says_what_is_wrong_and_what_to_do():
    alerts = TEXT.split("- alert: ")[1:]
    assert alerts
    for alert in alerts:
        assert alert.count("summary: ") == alert.count("description: ") == alert.count("severity: ") == 1


def test_the_alerts_watch_the_job_that_prometheus_scrapes():
    job = set(re.findall(r'job="(\w+)"', TEXT))
    assert job == {"gateway"}
    assert "job_name: gateway" in PROMETHEUS.read_text(encoding="utf-8")


def test_every_alert_is_tested():
    tests = (Path(__file__).parent / "alerts_test.yaml").read_text(encoding="utf-8")
    for alert in re.findall(r"- alert: (\w+)", TEXT):
        assert re.search(rf'alertname="{alert}"', tests), alert


@with_promtool
@pytest.mark.parametrize(
    "command",
    [
        ("check", "config", PROMETHEUS),
        ("check", "rules", ALERTS),
        ("test", "rules", Path(__file__).parent / "alerts_test.yaml"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_promtool_finds_nothing_wrong(command):
    done = subprocess.run(["promtool", *map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
