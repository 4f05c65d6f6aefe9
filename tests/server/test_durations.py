"""Durations are noted one by one and written together, and a reader misses none."""

import asyncio

from prometheus_client import CollectorRegistry

from gateway import telemetry
from gateway.telemetry import Telemetry


def count(registry: CollectorRegistry, **labels: str) -> float | None:
    return registry.get_sample_value("gateway_upstream_request_duration_seconds_count", labels)


async def test_who_reads_in_this_process_sees_what_was_just_noted() -> None:
    registry = CollectorRegistry()
    polls = Telemetry(registry).upstream_seconds.labels("poll")
    for seconds in (0.0005, 0.02, 0.02, 400.0):
        polls.note(seconds)
    name = "gateway_upstream_request_duration_seconds"
    assert count(registry, operation="poll") == 4
    assert registry.get_sample_value(f"{name}_sum", {"operation": "poll"}) == 400.0405
    buckets = {
        le: registry.get_sample_value(f"{name}_bucket", {"operation": "poll", "le": le})
        for le in ("0.001", "0.025", "300.0", "+Inf")
    }
    assert buckets == {"0.001": 1, "0.025": 3, "300.0": 3, "+Inf": 4}


async def test_what_is_noted_is_written_for_other_processes_soon_and_once() -> None:
    polls = Telemetry(CollectorRegistry()).upstream_seconds.labels("poll")
    for _ in range(3):
        polls.note(0.5)
    assert polls._sum.get() == 0
    await asyncio.sleep(telemetry.WRITE_SECONDS * 1.5)
    assert polls._sum.get() == 1.5
    polls.note(0.5)  # and the next one is written in its time again
    await asyncio.sleep(telemetry.WRITE_SECONDS * 1.5)
    assert polls._sum.get() == 2
