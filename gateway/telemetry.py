"""Every metric of the gateway, by the names of the README's table.

Workers write their values into files that they share with the parent, which adds them up at every scrape; so a
counter is right with any number of workers, and survives the death of one.
"""

import asyncio
from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Callable, Container, Iterable, Sequence
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.samples import Sample

#: Seconds; from a cached answer to a synchronous run.
BUCKETS: Sequence[float] = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
LEDGER_BUCKETS: Sequence[float] = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1)
#: Durations of so long are written at once, since a write costs more than a duration; who scrapes sees none later.
WRITE_SECONDS = 0.1


class Durations(Histogram):
    """A histogram that takes many durations at once: a file has each bucket written once, and not once for each."""

    def note(self, seconds: float) -> None:
        """Observe a duration, as `observe` does, but together with all others of the next WRITE_SECONDS."""
        if not self._noted:
            asyncio.get_running_loop().call_later(WRITE_SECONDS, self._write)
        self._noted.append(seconds)

    def _metric_init(self) -> None:
        super()._metric_init()
        self._noted: list[float] = []

    def _child_samples(self) -> Iterable[Sample]:
        self._write()  # what is read in this process is never late
        return super()._child_samples()

    def _write(self) -> None:
        noted, self._noted = self._noted, []
        counts = Counts(bisect_left(self._upper_bounds, each) for each in noted)
        for bucket, count in counts.items():
            self._buckets[bucket].inc(count)
        if noted:
            self._sum.inc(sum(noted))


class Telemetry:
    """The metrics that workers count; what the ledger knows is read from it at the scrape."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._models: Container[str] = ()
        self._version = ""

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def durations(name: str, text: str, buckets: Sequence[float], *labels: str) -> Durations:
            return Durations(name, text, labels, buckets=buckets, registry=registry)

        self.requests = counter("gateway_requests", "Requests answered", "route", "status")
        self.request_seconds = durations(
            "gateway_request_duration_seconds", "Time from a request to the end of its answer", BUCKETS, "route"
        )
        self.upstream_seconds = durations(
            "gateway_upstream_request_duration_seconds", "Time of a call to upstream", BUCKETS, "operation"
        )
        self.ledger_seconds = durations(
            "gateway_ledger_duration_seconds", "Time of a call to the ledger", LEDGER_BUCKETS
        )
        self.queue_seconds = durations(
            "gateway_upstream_queue_wait_seconds", "Time that creates waited for an upstream slot", BUCKETS, "outcome"
        )
        self.key_refusals = counter(
            "gateway_upstream_key_refusals", "Creates that upstream refused for the key", "account", "key", "reason"
        )
        self.admissions = counter("gateway_admissions", "Creates by their outcome", "tenant", "outcome")
        self.shadow_refusals = counter(
            "gateway_shadow_refusals", "Creates that a shadow limit would have refused", "tenant", "code"
        )
        self.estimated_usd = counter("gateway_estimated_usd", "Estimates of admitted creates", "tenant", "model")
        # Of what every create counts, the look-up of labels costs more than the counting.
        self.admission = cache(lambda tenant, outcome: self.admissions.labels(tenant, outcome).inc)
        self.estimate = cache(lambda tenant, model: self.estimated_usd.labels(tenant, model).inc)
        self.settled_usd = counter("gateway_settled_usd", "Costs of settled predictions", "tenant", "model")
        self.settlements = counter("gateway_settlements", "Ends of reservations by how the cost was known", "how")
        self.billed = counter(
            "gateway_billed", "Successes by their cost upstream against the estimate", "model", "against"
        )
        self.billed_usd = counter("gateway_billed_usd", "Costs that upstream stated of successes", "model")
        self.billed_estimate_usd = counter("gateway_billed_estimate_usd", "Estimates of the same", "model")
        self.webhooks_received = counter(
            "gateway_webhooks_received", "Calls of the addresses that upstream is given", "result"
        )
        self.image_probes = counter("gateway_image_probes", "Input images looked at for their size", "result")
        self.webhook_deliveries = counter(
            "gateway_webhook_deliveries", "Tries to deliver a tenant's webhook", "tenant", "result"
        )
        self.alert_deliveries = counter(
            "gateway_alert_deliveries", "Tries to deliver an alert to an address of the policy", "scope", "result"
        )
        self.policy_info = Gauge(
            "gateway_policy_info",
            "1 for the policy in force, 0 for an earlier one",
            ["version"],
            registry=registry,
            multiprocess_mode="livemax",
        )

    def counting(self, route: str, status: str) -> Callable[[Sequence[float]], None]:
        """Give what counts requests of this route and status, told the seconds of each; it looks no label up."""
        requests, note = self.requests.labels(route, status), self.request_seconds.labels(route).note

        def count(took: Sequence[float]) -> None:
            requests.inc(len(took))
            for each in took:
                note(each)

        return count

    def in_force(self, version: str, models: Container[str]) -> None:
        """Tell which policy is in force; its models are the labels that a model can have."""
        if self._version:
            self.policy_info.labels(self._version).set(0)
        self._version, self._models = version, models
        self.policy_info.labels(version).set(1)

    def model(self, slug: str) -> str:
        """Give the label of a model: its name if the policy knows it, since a client may write anything."""
        return slug if slug in self._models else "other"
