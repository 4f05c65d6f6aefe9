"""Edits of price and budget while creates pour in: none is lost, and each is priced by a policy that was in force."""

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from e2e.clients import Tenant, Upstream, until
from e2e.policies import REMOVER, Policies, budget
from e2e.programs import Gateway
from gateway.upstream.client import Outgoing
from gateway.upstream.direct.exchange import DirectUpstream

#: How many creates, how fast at the most, how many edits: UNDER_LOAD="4000 200 20" for a measurement.
CREATES, PER_SECOND, EDITS = map(int, os.environ.get("UNDER_LOAD", "300 200 4").split())
PRICES = (Decimal("0.017"), Decimal("0.025"))


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account(limits=[budget("900", "year")], concurrent=100_000, per_minute=100_000)
    policies.tenant("acme", budget("500.00", id="all"))
    policies.fixed_price(REMOVER, str(PRICES[0]))
    return policies


class Sent(NamedTuple):
    """The answer to a create, and what was estimated for it."""

    status: int
    estimate: Decimal | None
    prediction: str


class Editor:
    """Changes the price, and with it a budget and the order of the file, again and again."""

    def __init__(self, file: Path) -> None:
        self._file, self._text = file, file.read_text()

    def edit(self, number: int) -> None:
        price = PRICES[number % 2]
        text = self._text.replace(f'usd = "{PRICES[0]}"', f'usd = "{price}"').replace(
            '"500.00"', f'"{500 + number}.00"'
        )
        new = self._file.with_suffix(".new")
        new.write_text(text + f"\n# edit {number}\n")
        new.replace(self._file)


async def admitted(gateway: Gateway) -> list[Decimal]:
    """The estimates of all admitted creates in the order in which the store admitted them, from the journal."""
    entries = map(json.loads, (await asyncio.to_thread(gateway.command, "ledger", "export")).splitlines())
    return [Decimal(entry["estimate"]) for entry in entries if entry["event"] == "reserve"]


@pytest.mark.timeout(120 + CREATES / 20)
async def test_an_edit_under_load_loses_and_misprices_nothing(
    tenant: Callable[[str], Tenant], upstream: Upstream, http: httpx.AsyncClient, gateway: Gateway
) -> None:
    acme, editor = tenant("acme"), Editor(Path(gateway.value("--policies")) / "policy.toml")
    begun, gate, load = time.monotonic(), asyncio.Semaphore(64), DirectUpstream()
    headers = [(b"x-api-key", acme.secret.encode()), (b"content-type", b"application/json")]
    body = json.dumps({"model": REMOVER, "input": {"image_url": "https://example.com/a.png"}}).encode()

    async def create(number: int) -> Sent:
        await asyncio.sleep(max(begun + number / PER_SECOND - time.monotonic(), 0))
        async with gate:
            # By the gateway's own client to upstream: httpx would be slower than what it loads.
            answer = await load.send(Outgoing("POST", f"{gateway.url}/v1/prediction", headers, body, 60))
        estimate = answer.header(b"x-gateway-estimate-usd")
        found = json.loads(answer.body).get("predictionID", answer.body.decode())
        return Sent(answer.status, Decimal(estimate) if estimate else None, found)

    async def edits(creates: list["asyncio.Task[Sent]"]) -> None:
        for number in range(1, EDITS + 1):
            await asyncio.wait(creates[: number * CREATES // (EDITS + 1)])
            await asyncio.to_thread(editor.edit, number)

    creates = [asyncio.ensure_future(create(number)) for number in range(CREATES)]
    await edits(creates)
    sent = await asyncio.gather(*creates)
    seconds = time.monotonic() - begun
    await load.aclose()
    print(json.dumps({"creates": CREATES, "per_second": round(CREATES / seconds, 1), "edits": EDITS}))
    assert Counter(each.status for each in sent) == {200: CREATES}, [e for e in sent if e.status != 200][:3]
    held = await admitted(gateway)
    assert Counter(held) == Counter(each.estimate for each in sent)
    # One policy is in force at a time, so that prices change over at most as often as there were edits, and not to
    # and fro. A quick machine has sent all creates before the first edit is in force.
    runs = [price for price, _ in groupby(held)]
    assert len(runs) <= EDITS + 1, runs
    assert len({each.prediction for each in sent}) == CREATES
    assert await upstream.arrived() == CREATES

    async def ended() -> bool:
        used, held = await acme.spent()
        return held == 0 and used == await upstream.billed() > 0

    async def last_edit() -> bool:
        return (await acme.usage())["all"]["limit"] == f"{500 + EDITS}.00"

    await until(ended, 60 + CREATES / 40)  # most end after the last create
    await until(last_edit)
    await asyncio.to_thread(gateway.verify_ledger)
