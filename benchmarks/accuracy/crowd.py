"""The crowd: concurrent clients that send their calls one after the other, over all replicas in turn."""

import asyncio
from collections.abc import Sequence
from itertools import count

import httpx

from benchmarks.accuracy.calls import Answer, Call, End, Fault
from benchmarks.accuracy.gateways.gateway import Gateway

#: A client whose gateway takes no calls just now tries again after this time, so often.
PAUSE_SECONDS = 0.1
PATIENCE = 900


class Crowd:
    """Clients of one tenant; `answers` fills as they are answered."""

    def __init__(self, gateway: Gateway, http: httpx.AsyncClient) -> None:
        self.answers: list[Answer] = []
        self._gateway = gateway
        self._http = http
        self._turns = count()
        self._half = 0
        self._midway = asyncio.Event()

    async def send(self, plan: Sequence[Sequence[Call]], *, crash: bool) -> None:
        """Let every client send its calls; with `crash`, the gateway dies once half of them are answered."""
        self._half = sum(map(len, plan)) // 2
        async with asyncio.TaskGroup() as clients:
            for calls in plan:
                clients.create_task(self._client(calls))
            if crash:
                await self._midway.wait()
                await self._gateway.crash()

    async def probe(self, tenant: str, most: int) -> None:
        """When all is quiet, spend what is left one unit at a time, until the gateway refuses."""
        await self._gateway.settle()
        first = len(self.answers)
        for number in range(first, first + most):
            if (await self._send(Call(tenant, number, 1, Fault.OK, 0))).end is not End.ADMITTED:
                return

    async def _client(self, calls: Sequence[Call]) -> None:
        for call in calls:
            await self._send(call)

    async def _send(self, call: Call) -> Answer:
        for _ in range(PATIENCE):
            url = self._gateway.urls[next(self._turns) % len(self._gateway.urls)]
            answer = await self._gateway.ask(self._http, url, call)
            if answer.end is not End.NOT_TAKEN:
                self._note(answer)
                return answer
            await asyncio.sleep(PAUSE_SECONDS)
        raise RuntimeError(f"{self._gateway.name} takes no calls for {PATIENCE * PAUSE_SECONDS} s")

    def _note(self, answer: Answer) -> None:
        self.answers.append(answer)
        if len(self.answers) >= self._half:
            self._midway.set()
