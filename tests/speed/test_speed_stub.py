"""The upstream of the benchmark of speed: what it counts is what the benchmark asks for, and judges by."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from benchmarks.programs import Program, free_port
from gateway.domain.money import parse_usd
from gateway.upstream.answers import Phase, read_executions


@asynccontextmanager
async def stub(place: Path) -> AsyncIterator[httpx.AsyncClient]:
    url = f"http://127.0.0.1:{(port := free_port())}"
    program = Program([sys.executable, "-m", "benchmarks.speed.stub", "--port", str(port)], place / "log", {})
    try:
        await program.answers(f"{url}/count")
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            yield http
    finally:
        program.stop()


async def make(http: httpx.AsyncClient, body: bytes = b"{}") -> str:
    return (await http.post("/v1/prediction", content=body)).json()["predictionID"]


async def test_predictions_are_numbered_one_after_the_other_whatever_else_is_asked(tmp_path: Path) -> None:
    """A number that a list of executions took would be polled as a prediction, and answered 404."""
    async with stub(tmp_path) as http:
        made = []
        for _ in range(2):
            made.append(await make(http))
            await http.get("/v1/executions")
        assert made == ["runs-1", "runs-2"]
        assert ((await http.get("/made")).text, (await http.get("/count")).text) == ("2", "4")


async def test_its_list_of_executions_is_one_that_the_gateway_reads(tmp_path: Path) -> None:
    async with stub(tmp_path) as http:
        names = [await make(http, b'{"prompt":"done"}' if number % 2 else b"{}") for number in range(150)]
        first, second = [await http.get("/v1/executions", params={"limit": 100, "offset": at}) for at in (0, 100)]
        rows = [read_executions(page.content) for page in (first, second)]
        assert [len(each or ()) for each in rows] == [100, 50]
        listed = [row for each in rows for row in each or ()]
        assert [row.id for row in listed] == names[::-1]
        assert {(row.id[:4], row.reading.phase, row.reading.cost) for row in listed} == {
            ("done", Phase.SUCCEEDED, parse_usd("0.014")),
            ("runs", Phase.RUNNING, 0),
        }
        now = parsedate_to_datetime(first.headers["date"])
        assert abs(now - datetime.fromtimestamp(listed[0].created_us / 1e6, UTC)) < timedelta(seconds=30)
        later = {"from": (now + timedelta(minutes=1)).isoformat()}
        assert read_executions((await http.get("/v1/executions", params=later)).content) == []
        assert (await http.get("/v1/executions", params={"to": later["from"]})).json()["total_count"] == 150
