"""LiteLLM's proxy with Redis, from a virtual environment of its own.

Virtual keys need a Postgres database and the query engine of Prisma, whose installer fetches it from a host of its
own; this benchmark takes packages from PyPI only. So the keys come from a custom authentication (`litellm_keys.py`),
with one of the two budgets that LiteLLM has for a key: `max_budget`, which is reserved before the call, in the same
counters of Redis as a virtual key's, and `model_max_budget`, which its documentation offers with such authentication.
"""

import asyncio
import json
import secrets
import time
from pathlib import Path

import httpx

from benchmarks.accuracy.calls import UNIT_USD, Answer, Call, End
from benchmarks.accuracy.gateways.gateway import House
from benchmarks.installed import PLACE, environment
from benchmarks.programs import Command, Program, Replicas, free_port, start_store

VERSION = "1.106.2"
VENV = PLACE / ".litellm"
KEYS = Path(__file__).with_name("litellm_keys.py")
#: Spend is counted in a task of its own, after the answer.
COUNTING_SECONDS = 3.0
#: JSON is YAML. Nothing is sent twice: with the retries of its default a failure that was billed is billed again.
CONFIG: dict[str, object] = {
    "router_settings": {"num_retries": 0},
    "litellm_settings": {"num_retries": 0, "enable_post_custom_auth_checks": True},
}
GENERAL = {
    "custom_auth": "litellm_keys.user_api_key_auth",
    "custom_auth_run_common_checks": True,
    "fail_closed_budget_enforcement": True,
}


class LiteLLM:
    """One process a replica, all on one Redis; `kind` is "key" or "model": whose budget it is."""

    def __init__(self, kind: str) -> None:
        self.name = f"litellm-{kind}"
        self.urls: list[str] = []
        self._kind = kind
        self._replicas = Replicas(())
        self._store: Program | None = None

    def version(self) -> str:
        """Name the version, installed here at the first time."""
        environment("litellm", "litellm[proxy]", VERSION)
        what = {"key": "max_budget of the key", "model": "model_max_budget of the key"}[self._kind]
        return f"{VERSION}, 1 process a replica, all on one store, no database, no retries; {what}"

    async def start(self, house: House) -> None:
        """Write the configuration and start the replicas."""
        self._store, url = await start_store(house.place, house.store)
        general = {"general_settings": GENERAL | {"coordination_redis": {"url": url}}}
        config = json.dumps(CONFIG | general | {"model_list": [_model(house)]})
        (house.place / "config.yaml").write_text(config, "utf-8")
        (house.place / KEYS.name).write_text(KEYS.read_text("utf-8"), "utf-8")
        ports = [free_port() for _ in range(house.replicas)]
        self.urls = [f"http://127.0.0.1:{port}" for port in ports]
        self._replicas = Replicas([self._command(house, port) for port in ports])
        await self._replicas.start()

    async def crash(self) -> None:
        """Kill the processes and start them again; their Redis goes on."""
        await self._replicas.crash()

    async def ask(self, http: httpx.AsyncClient, url: str, call: Call) -> Answer:
        """Ask for as many tokens as the call has units."""
        body = {"model": "bench", "max_tokens": call.units, "messages": [{"role": "user", "content": call.text}]}
        headers, sent = {"Authorization": f"Bearer sk-{call.tenant}"}, time.monotonic()
        try:
            answer = await http.post(f"{url}/v1/chat/completions", json=body, headers=headers)
        except httpx.TransportError as error:
            return Answer.lost(call, error, sent)
        return Answer.now(call, _end(answer), sent)

    async def settle(self) -> None:
        """Wait until the spend of ended calls is counted."""
        await asyncio.sleep(COUNTING_SECONDS)

    def stop(self) -> None:
        """End the replicas, and then their store."""
        self._replicas.stop()
        if self._store:
            self._store.stop()

    def _command(self, house: House, port: int) -> Command:
        words = [str(VENV / "bin" / "litellm"), "--config", str(house.place / "config.yaml")]
        words += ["--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
        environ = {
            "BENCH_CAPS": json.dumps({f"sk-{tenant}": float(cap) for tenant, cap in house.caps.items()}),
            "BENCH_KIND": self._kind,
            "LITELLM_MASTER_KEY": "sk-" + secrets.token_hex(32),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it asks a foreign host for its list of prices
            "LITELLM_LOG": "ERROR",
        }
        return Command(words, house.place / f"{port}.log", environ, f"http://127.0.0.1:{port}/health/readiness")


def _model(house: House) -> dict[str, object]:
    price = {"input_cost_per_token": 0, "output_cost_per_token": float(UNIT_USD)}
    params = {"model": "openai/bench", "api_base": f"{house.upstream}/v1", "api_key": "none", "max_retries": 0}
    return {"model_name": "bench", "litellm_params": params | price, "model_info": {"mode": "chat"}}


def _end(answer: httpx.Response) -> End:
    if answer.is_success:
        return End.ADMITTED
    if answer.json().get("error", {}).get("type") == "budget_exceeded":
        return End.REFUSED
    return {400: End.GIVEN_BACK, 503: End.NOT_TAKEN}.get(answer.status_code, End.UNKNOWN)
