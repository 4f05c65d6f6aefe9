"""Metrics of the queue for upstream slots, and of the keys that have them."""

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from gateway.domain.window import MICROSECONDS
from gateway.ledger.decisions import Unfit
from gateway.ledger.lanes import Lane


def queue_families(found: Mapping[str, tuple[Sequence[Lane], Sequence[str]]]) -> Iterable[Metric]:
    """Show each account's queue; given by account, with the account's upstream keys."""
    queue = GaugeMetricFamily(
        "gateway_upstream_queue", "Creates that wait for an upstream key", labels=("account", "key")
    )
    names = ("account", "tenant")
    waiting = GaugeMetricFamily("gateway_upstream_queue_tenant", "Creates of a tenant that wait", labels=names)
    position = GaugeMetricFamily(
        "gateway_upstream_queue_position", "Creates that come before a tenant's next one", labels=names
    )
    wait = GaugeMetricFamily(
        "gateway_upstream_queue_expected_seconds", "How long a tenant's next create would wait", labels=names
    )
    for account, (lanes, keys) in found.items():
        # They wait for whichever key is free, and are counted once: on the account's first.
        for key in keys:
            queue.add_metric((account, key), sum(lane.waiting for lane in lanes) if key == keys[0] else 0)
        for lane in lanes:
            waiting.add_metric((account, lane.tenant), lane.waiting)
            position.add_metric((account, lane.tenant), lane.ahead)
            wait.add_metric((account, lane.tenant), lane.wait_us / MICROSECONDS)
    return (queue, waiting, position, wait)


def rest_family(found: Mapping[str, tuple[Sequence[str], Mapping[str, Unfit]]]) -> Metric:
    """Show which upstream keys rest; given by account, with the account's keys."""
    family = GaugeMetricFamily(
        "gateway_upstream_key_out", "Whether an upstream key rests", labels=("account", "key", "reason")
    )
    for account, (keys, rests) in found.items():
        for key in keys:
            for reason in Unfit:
                family.add_metric((account, key, reason.value), rests.get(key) is reason)
    return family
