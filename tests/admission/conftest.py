"""Admission over a real ledger; tenants as a policy would compile them."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from ledger.bench import Bench
from prometheus_client import CollectorRegistry

from gateway.admission.admission import Admission
from gateway.domain.limit import Guard, Limit
from gateway.policy import Account, Principal, Tenant, UpstreamKey
from gateway.policy.policy import principal
from gateway.pricing import Quote
from gateway.telemetry import Telemetry


def account(unpriced: int | None = None, **capacity: int) -> Account:
    limits = {"creates_per_minute": 1000, "concurrent": 1000} | capacity
    keys = (UpstreamKey("main", "KEY", None, **limits),)
    return Account("up", "http://up", "X-API-Key", unpriced, 0, 24, keys=keys, limits=())


def tenant(
    *limits: Limit, guards: Sequence[Guard] = (), allow: tuple[tuple[str, ...], ...] = (), **more: Any
) -> Tenant:
    return Tenant("t", account(**more), ("t", "p"), 1, tuple(guards), allow, limits)


def holder(*limits: Limit, **more: Any) -> Principal:
    return principal(tenant(*limits, **more), "k")


def quote(hold: int = 10) -> Quote:
    return Quote("m", "v1", hold, hold, (), (), {})


class Desk:
    """An admission, what it counted, and the ids that it gave."""

    def __init__(self, bench: Bench) -> None:
        self.registry = CollectorRegistry()
        self.ids: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        numbers = itertools.count(1)

        def new_id() -> str:
            self.ids.append(f"res_{next(numbers)}")
            return self.ids[-1]

        self.bench = bench
        keep = lambda work: self.tasks.append(asyncio.ensure_future(work))  # noqa: E731
        self.admission = Admission({"up": bench.ledger}, Telemetry(self.registry), new_id, keep)

    async def reserve(self, who: Principal, hold: int = 10, **more: Any) -> Any:
        return await self.admission.reserve(who, quote(hold), slot_s=600, answer_s=30, **more)


@pytest.fixture
async def desk(bench: Bench) -> AsyncIterator[Desk]:
    desk = Desk(bench)
    yield desk
    for task in desk.tasks:
        task.cancel()
    await asyncio.gather(*desk.tasks, return_exceptions=True)
