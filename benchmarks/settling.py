"""How long after its end a prediction that nobody polls is settled, and what that asks of upstream.

    make settling FLAGS="--predictions 300 --per-second 1.5"

Runs the gateway in front of the sandbox, creates predictions of models whose runs differ in length, polls none, and
compares the ledger's time of each settlement with the end in the sandbox's books. Prints the median and the longest
delay, and the calls by which upstream was asked: polls of one prediction, and lists that tell of all that run. Exit 1
where the median is above 2 s, one above 10 s, or polls for a prediction average 1 or more.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import httpx

from benchmarks import own
from gateway.policy.keys import key_toml, new_secret
from gateway.sandbox import SandboxConfig, serve

#: Model → its input, and how long its runs take (seconds, from and to).
MODELS: dict[str, tuple[dict[str, Any], tuple[float, float]]] = {
    "eachlabs-bg-remover-v1": ({"image_url": "https://example.com/a.png"}, (1, 3)),
    "flux-2-klein-4b-base-edit": ({"prompt": "a", "image_urls": ["https://example.com/a.png"]}, (4, 7)),
    "nano-banana": ({"prompt": "a"}, (8, 20)),
    "seedance-v1-lite-text-to-video": ({"prompt": "a"}, (25, 45)),
}
MOST_MEDIAN_SECONDS, MOST_SECONDS, MOST_POLLS = 2.0, 10.0, 1.0


class Measured(NamedTuple):
    """What one run came to: delays in seconds, and how often upstream was asked."""

    delays: Sequence[float]
    polls: int
    listings: int
    seconds: float


async def measure(predictions: int, per_second: float, seed: int, *, workers: int) -> Measured:
    """Run it."""
    with tempfile.TemporaryDirectory(prefix="settling-") as folder:
        config = SandboxConfig(
            creates_per_minute=100_000, concurrent=1000, seed=seed, run_seconds={m: s for m, (_, s) in MODELS.items()}
        )
        async with _sandbox(config) as upstream, _gateway(Path(folder), upstream, workers) as http:
            begun = asyncio.get_running_loop().time()
            chance = Random(seed)
            ids = []
            for _ in range(predictions):
                ids.append(await _create(http, chance.choice(list(MODELS))))
                await asyncio.sleep(chance.expovariate(per_second))
            settled = [await _settled(http, id_) for id_ in ids]
            seconds = asyncio.get_running_loop().time() - begun
            async with httpx.AsyncClient(trust_env=False) as plain:
                books = (await plain.get(f"{upstream}/sandbox/books")).json()
    ended = {entry["id"]: entry["ended_at"] for entry in books["creates"]}
    delays = [at - ended[prediction] for prediction, at in settled]
    return Measured(delays, books["totals"]["polls"], books["totals"]["listings"], seconds)


async def _create(http: httpx.AsyncClient, model: str) -> str:
    answer = await http.post("/v1/prediction", json={"model": model, "input": MODELS[model][0]})
    if answer.status_code != 200:
        raise RuntimeError(answer.text)
    return answer.headers["X-Gateway-Reservation"]


async def _settled(http: httpx.AsyncClient, reservation: str) -> tuple[str, float]:
    """Wait until the ledger has settled it; gives (prediction, when: seconds since 1970)."""
    for _ in range(600):
        found = (await http.get(f"/gateway/reservations/{reservation}")).json()
        if found["ended_at"]:
            return found["prediction_id"], datetime.fromisoformat(found["ended_at"]).timestamp()
        await asyncio.sleep(0.25)
    raise RuntimeError(f"{reservation} was never settled")


@asynccontextmanager
async def _sandbox(config: SandboxConfig) -> AsyncIterator[str]:
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(config, stop=stop, on_ready=ready.set_result))
    try:
        yield await ready
    finally:
        stop.set()
        await task


@asynccontextmanager
async def _gateway(folder: Path, upstream: str, workers: int) -> AsyncIterator[httpx.AsyncClient]:
    secret = new_secret()
    tables = [own.ACCOUNT, own.tenant("t"), key_toml("k", secret)]
    policies = own.write_policies(folder / "policies", tables, MODELS)
    flags = {"listen": "127.0.0.1:0", "metrics-listen": "127.0.0.1:0", "data-dir": folder / "data"}
    flags |= {"policies": policies, "upstream-url": upstream, "workers": workers}
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *own.command(["serve"], flags), stdout=asyncio.subprocess.PIPE, stderr=log, env=os.environ | own.ENVIRON
        )  # fmt: skip
    try:
        url = (await process.stdout.readline()).decode().split()[1] if process.stdout else ""
        async with httpx.AsyncClient(base_url=url, headers={"X-API-Key": secret}, trust_env=False) as http:
            yield http
    finally:
        process.terminate()
        await process.wait()


def main() -> int:
    """Measure, print and judge."""
    parser = argparse.ArgumentParser(description="settle delay of predictions that nobody polls")
    parser.add_argument("--predictions", type=int, default=300)
    parser.add_argument("--per-second", type=float, default=1.5, help="creates a second, at random intervals")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    found = asyncio.run(measure(given.predictions, given.per_second, given.seed, workers=given.workers))
    median, longest = statistics.median(found.delays), max(found.delays)
    polls, listings = found.polls / len(found.delays), found.listings / len(found.delays)
    print(f"{len(found.delays)} predictions in {found.seconds:.0f} s, none polled by a client")
    print(f"settled after their end: median {median:.2f} s, at most {longest:.2f} s")
    print(f"upstream was asked: {polls:.2f} polls and {listings:.2f} lists for each prediction, ", end="")
    print(f"{found.listings / found.seconds * 60:.0f} lists a minute")
    return int(median > MOST_MEDIAN_SECONDS or longest > MOST_SECONDS or polls >= MOST_POLLS)


if __name__ == "__main__":
    sys.exit(main())
