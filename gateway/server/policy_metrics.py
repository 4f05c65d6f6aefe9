"""Metrics of the policy itself: how often it changed, and which keys are about to expire."""

from collections.abc import Mapping

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from gateway.domain.window import MICROSECONDS
from gateway.policy import Policy


def reloads(counts: Mapping[str, int]) -> Metric:
    """Tell how often the policy folder changed, by what came of it."""
    family = CounterMetricFamily("gateway_policy_reloads_total", "Changes of the policy folder", labels=("result",))
    for result, count in counts.items():
        family.add_metric((result,), count)
    return family


def key_expiries(policy: Policy, now_us: int) -> Metric:
    """Tell how long each key still works that expires and is not revoked; below zero, how long it has not."""
    family = GaugeMetricFamily("gateway_key_expires_in_seconds", "Time until a key expires", labels=("tenant", "key"))
    for key in policy.keyring.values():
        if key.expires_us is not None and not key.revoked:
            family.add_metric((key.tenant.id, key.key), (key.expires_us - now_us) / MICROSECONDS)
    return family
