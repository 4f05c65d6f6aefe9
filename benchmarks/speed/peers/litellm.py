"""LiteLLM's proxy as the benchmark of accuracy has it: a budget of the key in Redis, reserved before each chat."""

import os
from decimal import Decimal

import httpx

from benchmarks.accuracy.gateways.gateway import House as Budgets
from benchmarks.accuracy.gateways.litellm import LiteLLM
from benchmarks.speed.accounting import command, family, pin
from benchmarks.speed.load import Call
from benchmarks.speed.peers.peer import CHAT, CREATE, House


class LiteLLMProxy:
    """One process, and its Redis beside it."""

    name: str = "litellm"
    loads: tuple[str, ...] = (CREATE,)

    def __init__(self) -> None:
        self.url = ""
        self._proxy = LiteLLM("key")

    def version(self) -> str:
        """Name the version, installed here at the first time. Raises Unavailable."""
        return self._proxy.version()

    async def start(self, house: House) -> None:
        """Start it, with a budget that is never used up."""
        await self._proxy.start(Budgets(house.place, house.upstream, {"bench": Decimal(10**6)}, 1, house.store))
        self.url = self._proxy.urls[0]
        pin(self.processes(), house.core)

    async def prepare(self, load: str) -> Call:  # noqa: ARG002 (it has one)
        """Give the request."""
        headers = {"Content-Type": "application/json", "Authorization": "Bearer sk-bench"}
        call = Call("POST", ("/v1/chat/completions",), headers, CHAT)
        async with httpx.AsyncClient(trust_env=False, timeout=60) as http:  # the first one takes seconds
            (await http.post(self.url + call.paths[0], content=call.body, headers=headers)).raise_for_status()
        return call

    def processes(self) -> list[int]:
        """Give its process: of those that this benchmark has started, the one from its environment."""
        return [pid for pid in family(os.getpid()) if "/bin/litellm" in command(pid)]

    def stop(self) -> None:
        """End it, and its Redis."""
        self._proxy.stop()
