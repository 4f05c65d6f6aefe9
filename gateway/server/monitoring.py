"""The metrics listener: `/metrics`, `/healthz`, `/readyz`, answered by the parent for all its workers."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.admission.admission import capacities
from gateway.domain.instants import instant
from gateway.domain.limit import LimitKind
from gateway.domain.money import UNITS_PER_USD
from gateway.domain.window import MICROSECONDS
from gateway.ledger.gauges import AccountGauges, LimitUse, read_gauges
from gateway.ledger.lanes import Lanes
from gateway.ledger.store import LedgerUnavailable
from gateway.ledger.views import Views
from gateway.policy import Policy
from gateway.server.policy_metrics import key_expiries, reloads
from gateway.server.queue_metrics import queue_families, rest_family


class Policies(Protocol):
    """The last good policy, what is wrong with a later one, why it is not in force, and how often which was so."""

    policy: Policy
    problem: str | None
    behind: str | None
    reloads: dict[str, int]
    numbers: dict[str, int]


class Monitoring:
    """Answers scrapes and probes; `workers` tells how many workers run.

    `wall_clock_us` is used for the expiry of keys, as by the workers, and for nothing else.
    """

    def __init__(
        self,
        policies: Policies,
        views: Callable[[str], Views],
        lanes: Callable[[str], Lanes],
        metrics_dir: str,
        workers: Callable[[], int],
        wall_clock_us: Callable[[], int],
    ) -> None:
        self._policies = policies
        self._views = views
        self._lanes = lanes
        self._metrics_dir = metrics_dir
        self._workers = workers
        self._wall_clock_us = wall_clock_us

    def app(self) -> Starlette:
        """Make the ASGI app of the metrics listener."""
        return Starlette(
            routes=[
                Route("/metrics", self.metrics),
                Route("/healthz", self.health),
                Route("/readyz", self.ready),
            ]
        )

    async def health(self, _request: Request) -> Response:
        """Say that the process is alive."""
        return JSONResponse({"status": "ok"})

    async def ready(self, _request: Request) -> Response:
        """Say whether requests can be admitted: policies loaded, ledger reachable, workers up."""
        faults = await self._faults()
        body = {
            "status": "not ready" if faults else "ready",
            "faults": faults,
            "policy_version": self._policies.policy.version,
            "policy_numbers": self._policies.numbers,
            "policy_problem": self._policies.problem,
        }
        return JSONResponse(body, 503 if faults else 200)

    async def metrics(self, _request: Request) -> Response:
        """Add up what the workers counted, and read from the ledger what only it knows."""
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=self._metrics_dir)  # type: ignore[no-untyped-call]
        faults, families = await asyncio.gather(self._faults(), self._ledger_families())
        ready = _gauge("gateway_ready", "Whether creates can be admitted", not faults)
        changes = reloads(self._policies.reloads)
        expiries = key_expiries(self._policies.policy, self._wall_clock_us())
        behind = _gauge("gateway_policy_behind", "Whether another policy is in force", bool(self._policies.behind))
        registry.register(_Families([ready, changes, behind, expiries, *families]))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def _faults(self) -> list[str]:
        """Say, one item each, why creates cannot be admitted; a ledger that cannot be written to is one."""
        told = await asyncio.gather(*(self._fault(account) for account in self._policies.policy.accounts))
        faults = [] if self._workers() else ["no worker runs"]
        faults += [self._policies.behind] if self._policies.behind else []
        return faults + [fault for fault in told if fault]

    async def _fault(self, account: str) -> str | None:
        views = self._views(account)
        try:
            await views.probe()
            closure = await views.closure()
        except LedgerUnavailable as error:
            return f"the ledger of account {account!r} cannot record, {error.cause}: {error}"
        if closure is None:
            return None
        return (
            f"account {account!r} is closed to creates since {instant(closure.since_us)} ({closure.why}), until what "
            f"was lost behind entry {closure.survived} of its journal is found; the workers' log says how far that is"
        )

    async def _ledger_families(self) -> list[Metric]:
        policy = self._policies.policy
        try:
            found = {
                account: await read_gauges(
                    self._views(account),
                    self._lanes(account),
                    policy.limits(account),
                    capacities(policy.accounts[account]),
                )
                for account in policy.accounts
            }
        except LedgerUnavailable:
            return [_gauge("gateway_ledger_up", "Whether the ledger answers", 0)]
        return [_gauge("gateway_ledger_up", "Whether the ledger answers", 1), *_families(found)]


class _Families(Collector):
    """Metric families that were read before, in the form that a registry collects."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._read = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._read


def _families(found: Mapping[str, AccountGauges]) -> Iterable[Metric]:
    yield _reservations(found)
    ages = [(g.now_us - g.totals.oldest_us) / MICROSECONDS for g in found.values() if g.totals.oldest_us is not None]
    yield _gauge("gateway_oldest_reservation_seconds", "Age of the oldest open reservation", max(ages, default=0))
    closed = GaugeMetricFamily(
        "gateway_ledger_closed", "Whether an account is closed to creates after a failover", labels=("account",)
    )
    in_flight = GaugeMetricFamily(
        "gateway_upstream_in_flight", "Predictions in flight on an upstream key", labels=("account", "key")
    )
    for account, gauges in found.items():
        closed.add_metric((account,), gauges.closure is not None)
        for key, taken in gauges.in_flight.items():
            in_flight.add_metric((account, key), taken)
    yield closed
    yield in_flight
    yield from queue_families({account: (gauges.lanes, list(gauges.in_flight)) for account, gauges in found.items()})
    yield rest_family({account: (list(gauges.in_flight), gauges.rests) for account, gauges in found.items()})
    yield from _limits([use for gauges in found.values() for use in gauges.limits])
    yield _alerts(found)
    yield from _mail(found)


def _reservations(found: Mapping[str, AccountGauges]) -> Metric:
    family = GaugeMetricFamily("gateway_reservations", "Reservations that have not ended", labels=("state",))
    family.add_metric(("open",), sum(gauges.totals.open for gauges in found.values()))
    family.add_metric(("in_doubt",), sum(gauges.totals.in_doubt for gauges in found.values()))
    return family


def _mail(found: Mapping[str, AccountGauges]) -> Iterable[Metric]:
    webhooks = GaugeMetricFamily("gateway_webhooks", "Webhooks that tenants do not have", labels=("state",))
    webhooks.add_metric(("undelivered",), sum(gauges.mail.undelivered for gauges in found.values()))
    webhooks.add_metric(("dead",), sum(gauges.mail.dead for gauges in found.values()))
    ages = [(g.now_us - g.mail.oldest_us) / MICROSECONDS for g in found.values() if g.mail.oldest_us is not None]
    yield webhooks
    yield _gauge("gateway_oldest_webhook_seconds", "Age of the oldest undelivered webhook", max(ages, default=0))


def _limits(uses: Iterable[LimitUse]) -> Iterable[Metric]:
    labels = ("scope", "limit")
    ratio = GaugeMetricFamily("gateway_limit_usage_ratio", "Used and held over the limit", labels=labels)
    limit_usd = GaugeMetricFamily("gateway_limit_usd", "Amount of a budget", labels=labels)
    used_usd = GaugeMetricFamily("gateway_limit_used_usd", "Charged in the window of a budget", labels=labels)
    held_usd = GaugeMetricFamily("gateway_limit_held_usd", "Held in the window of a budget", labels=labels)
    for limit, used, held in uses:
        names = (limit.scope, limit.id)
        # A limit of nothing is always full; what Prometheus shows are floats, the ledger's numbers are not.
        ratio.add_metric(names, (used + held) / limit.amount if limit.amount else 1)
        if limit.kind is LimitKind.BUDGET:
            limit_usd.add_metric(names, limit.amount / UNITS_PER_USD)
            used_usd.add_metric(names, used / UNITS_PER_USD)
            held_usd.add_metric(names, held / UNITS_PER_USD)
    return (ratio, limit_usd, used_usd, held_usd)


def _alerts(found: Mapping[str, AccountGauges]) -> Metric:
    """Count from the ledger, so that no restart and no number of workers changes it; only what the policy has now."""
    family = CounterMetricFamily(
        "gateway_limit_alerts_total", "Thresholds of limits reached", labels=("scope", "limit", "threshold")
    )
    for gauges in found.values():
        for limit, _, _ in gauges.limits:
            for share, _ in limit.thresholds:
                name = (limit.scope, limit.id, share)
                family.add_metric(name, gauges.alerts.get(name, 0))
    return family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
