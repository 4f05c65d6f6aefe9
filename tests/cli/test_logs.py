"""What requests leave on standard error: a line each, whole, however the reader keeps up."""

import asyncio
import json
import os
import threading
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.samples import Sample

from gateway.cli.logs import RequestLines
from gateway.server.tally import RequestIds, Tally
from gateway.telemetry import Telemetry

NOON = 1_767_268_800.25


def read_all(descriptor: int) -> bytes:
    pieces = []
    while piece := os.read(descriptor, 65536):
        pieces.append(piece)
    return b"".join(pieces)


def lines_of(count: int) -> list[bytes]:
    return [msgspec.json.encode({"request_id": f"r-{n}", "filler": "x" * (n % 300)}) for n in range(count)]


def test_a_line_begins_as_every_other_line_of_the_log() -> None:
    reader, writer = os.pipe()
    RequestLines(writer, lambda: NOON)([b'{"request_id":"a","status":200}'])
    os.close(writer)
    assert json.loads(read_all(reader)) == {
        "time": "2026-01-01T12:00:00.250+00:00",
        "level": "info",
        "logger": "gateway.requests",
        "request_id": "a",
        "status": 200,
    }


def test_every_line_has_the_time_of_its_own() -> None:
    reader, writer = os.pipe()
    times = iter((NOON, NOON + 0.5, NOON + 1, NOON - 86400))
    lines = RequestLines(writer, lambda: next(times))
    for _ in range(4):
        lines([b'{"status":200}'])
    os.close(writer)
    said = [json.loads(line)["time"].removesuffix("+00:00") for line in read_all(reader).splitlines()]
    assert said == [
        "2026-01-01T12:00:00.250",
        "2026-01-01T12:00:00.750",
        "2026-01-01T12:00:01.250",
        "2025-12-31T12:00:00.250",
    ]


def test_workers_that_share_a_pipe_tear_no_line_of_each_other() -> None:
    reader, writer = os.pipe()
    many = lines_of(300)
    writers = [threading.Thread(target=lambda: [RequestLines(writer)(many) for _ in range(5)]) for _ in range(3)]
    for each in writers:
        each.start()
    closing = threading.Thread(target=lambda: [*(each.join() for each in writers), os.close(writer)])
    closing.start()
    said = read_all(reader).splitlines()
    closing.join()
    assert len(said) == 3 * 5 * 300
    assert {json.loads(line)["logger"] for line in said} == {"gateway.requests"}


def test_a_pipe_that_is_full_holds_up_and_loses_nothing_even_where_it_does_not_block() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    many = lines_of(2000)  # more than a pipe holds
    writing = threading.Thread(target=lambda: [RequestLines(writer)(many), os.close(writer)])
    writing.start()
    writing.join(0.05)
    assert writing.is_alive()
    assert len(read_all(reader).splitlines()) == 2000
    writing.join()


def test_a_reader_that_is_gone_stops_nobody() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    RequestLines(writer)(lines_of(3))
    os.close(writer)


def scope(request_id: str, method: str, **facts: str) -> dict[str, Any]:
    return {"method": method, "state": {"request_id": request_id, "facts": facts}}


def samples(registry: CollectorRegistry) -> dict[tuple[str, tuple[str, ...]], float]:
    def told(sample: Sample) -> bool:
        return sample.name.startswith("gateway_request") and not sample.name.endswith("_created")

    found = [sample for family in registry.collect() for sample in family.samples if told(sample)]
    return {(sample.name, tuple(sample.labels.values())): sample.value for sample in found}


async def test_requests_of_one_turn_are_written_together_and_count_one_by_one() -> None:
    registry, written = CollectorRegistry(), []
    tally = Tally(Telemetry(registry), written.append)
    seconds = [0.0005, 0.001, 0.0011, 0.2, 400.0]
    for number, each in enumerate(seconds):
        tally.add(scope(f"r-{number}", "GET", tenant="acme"), "poll", 200, each)
    tally.add(scope("r-5", "POST"), "create", 402, 0.003)
    assert not written
    await asyncio.sleep(0)
    assert [[json.loads(line)["request_id"] for line in lines] for lines in written] == [[f"r-{n}" for n in range(6)]]
    assert json.loads(written[0][3]) == {
        "request_id": "r-3",
        "method": "GET",
        "route": "poll",
        "status": 200,
        "ms": 200.0,
        "tenant": "acme",
    }

    alone = CollectorRegistry()
    telemetry = Telemetry(alone)
    for each in seconds:
        telemetry.requests.labels("poll", "200").inc()
        telemetry.request_seconds.labels("poll").observe(each)
    telemetry.requests.labels("create", "402").inc()
    telemetry.request_seconds.labels("create").observe(0.003)
    assert samples(registry) == samples(alone)


async def test_a_key_that_a_client_put_into_a_name_is_not_logged() -> None:
    written: list[list[bytes]] = []
    tally = Tally(Telemetry(CollectorRegistry()), written.append)  # type: ignore[arg-type]
    tally.add(scope("elg_" + "k" * 40, "GET", prediction="x-elg_" + "s" * 40), "poll", 404, 0.001)
    await asyncio.sleep(0)
    line = json.loads(written[0][0])
    assert (line["request_id"], line["prediction"]) == ("elg_***", "x-elg_***")


def test_ids_of_requests_differ_within_and_between_processes() -> None:
    made = [ids.make() for ids in (RequestIds(), RequestIds()) for _ in range(1000)]
    assert len(set(made)) == 2000
    assert {len(each) for each in made} <= set(range(26, 40))
