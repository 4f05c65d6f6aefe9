"""What a request costs, counted in what no noise can move: messages to the store, and calls of functions."""

import asyncio
import os
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from stores.proxy import Watch, proxy
from stores.servers import Yard

from benchmarks.programs import Program, free_port
from benchmarks.speed.peers.peer import BODY
from e2e.clients import Tenant
from e2e.house import House
from e2e.policies import Policies, budget
from gateway.cli.assembly import Assembly, Clients
from gateway.cli.logs import RequestLines
from gateway.cli.terms import Terms
from gateway.domain.secret import Secret
from gateway.ledger.scripts import load_scripts
from gateway.ledger.store import connect
from gateway.policy import load_policy
from gateway.server.owners import HostOwners, Owners
from gateway.telemetry import WRITE_SECONDS, Telemetry
from gateway.upstream.direct.exchange import DirectUpstream
from gateway.upstream.httpx_client import HttpxUpstream

CREATES = 30
#: Calls of functions, Python's and C's, that one request may take, a tenth above what it took when this was written.
MOST_CALLS = {"create": 815, "poll forwarded": 293, "poll from cache": 102, "poll at once": 82}
COMMAND = re.compile(rb"\*\d+\r\n\$\d+\r\n([A-Za-z]+)\r\n(?:\$40\r\n([0-9a-f]{40}))?")


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account(limits=[budget("900.00", "month")])
    policies.tenant("acme", budget("100.00", "day"), {"kind": "concurrency", "max": 1000})
    policies.tenant("other", budget("1.00", "day"))
    return policies


class Asked:
    """Counts what a store is asked for: scripts by their verb, commands by their name."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.order: list[str] = []
        self._verbs = {script.sha.encode(): verb for verb, script in load_scripts().items()}

    def store(self) -> Watch:
        async def watch(piece: bytes, to_server: bool) -> None:
            for name, sha in COMMAND.findall(piece) if to_server else ():
                self._note(self._verbs.get(sha, name.decode()))

        return watch

    def upstream(self) -> Watch:
        async def watch(piece: bytes, to_server: bool) -> None:
            if to_server and piece.startswith(b"POST"):
                self._note("POST")

        return watch

    def _note(self, what: str) -> None:
        self.counts[what] += 1
        self.order.append(what)


async def test_a_create_takes_one_round_trip_to_the_store_before_upstream_and_one_after(
    ground: Yard, house: House, policies: Policies, http: httpx.AsyncClient
) -> None:
    asked, sandbox = Asked(), house.sandbox(seconds=60)
    async with (
        proxy(ground.server().port, asked.store) as store,
        proxy(int(sandbox.url.rsplit(":", 1)[1]), asked.upstream) as way_out,
    ):
        gateway = await asyncio.to_thread(
            house.gateway,
            policies,
            sandbox,
            redis_url=f"redis://127.0.0.1:{store.port}",
            upstream_url=f"http://127.0.0.1:{way_out.port}",
        )
        tenant = Tenant(http, gateway, gateway.secrets["acme"])
        assert (await tenant.create()).status_code == 200  # which brings up counters and connections
        asked.counts.clear()
        asked.order.clear()
        for _ in range(CREATES):
            assert (await tenant.create()).status_code == 200
        assert [asked.counts[name] for name in ("reserve", "POST", "confirm")] == [CREATES] * 3
        path = [name for name in asked.order if name in ("reserve", "POST", "confirm")]
        assert path == ["reserve", "POST", "confirm"] * CREATES
        # What goes round by itself does so a few times a second, and not once a create.
        others = {name: count for name, count in asked.counts.items() if name not in ("reserve", "POST", "confirm")}
        assert all(count < CREATES / 2 for count in others.values()), others
        await asyncio.to_thread(house.close)


@pytest.fixture
async def app(ground: Yard, policies: Policies, tmp_path: Path) -> AsyncIterator[Any]:
    """The gateway's app as a worker has it, in this process, in front of the benchmark's stub."""
    port = free_port()
    stub = Program([sys.executable, "-m", "benchmarks.speed.stub", "--port", str(port)], tmp_path / "stub.log", {})
    store, direct, rare, host = (
        connect(ground.server().url),
        DirectUpstream(),
        HttpxUpstream(),
        HostOwners(tmp_path / "o"),
    )
    log = os.open(os.devnull, os.O_WRONLY)
    try:
        await stub.answers(f"http://127.0.0.1:{port}/count")
        assembly = Assembly(
            store,
            load_scripts(),
            Clients(direct, rare, rare),
            Telemetry(CollectorRegistry()),
            {"EACHLABS_API_KEY": "k"},
            Secret(["s" * 32]),
            Owners(host),
            Terms(upstream_url=f"http://127.0.0.1:{port}", alone=True),  # as the worker that serves by default
            request_log=RequestLines(log),
        )
        assembly.adopt(load_policy(policies.write(tmp_path / "policies")))
        yield assembly.app
        await assembly.aclose(5)
    finally:
        for each in (store, direct, rare):
            await each.aclose()
        host.close()
        os.close(log)
        stub.stop()


#: Status, headers, body; without what differs from one answer to the next, and what the server adds at once.
Told = tuple[int, set[tuple[bytes, bytes]], bytes]


def _told(status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> Told:
    return status, {each for each in headers if each[0] not in (b"x-request-id", b"content-length")}, body


class Client:
    """Calls the app as its server does, and counts the calls of functions that this takes."""

    def __init__(self, app: Any, secret: str) -> None:
        self._app = app
        self._headers = [(b"host", b"gateway"), (b"x-api-key", secret.encode()), (b"accept", b"*/*")]
        self.calls = 0

    async def __call__(self, method: str, path: str, body: bytes = b"") -> bytes:
        status, _, answer = await self.ask(method, path, body)
        assert status == 200, answer
        return answer

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Told:
        """Ask by the ordinary way."""
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        with self._counted():
            await self._app(self._scope(method, path, body, headers), receive, send)
        return _told(sent[0]["status"], sent[0]["headers"], b"".join(message["body"] for message in sent[1:]))

    async def at_once(self, path: str, **headers: str) -> Told | None:
        """Ask for what needs no app: what is known, and what one look will tell."""
        with self._counted():
            answer = self._app.at_once(self._scope("GET", path, b"", headers))
            if isinstance(answer, Awaitable):
                answer = await answer
        if answer is None:
            return None
        head, _, body = answer.written([]).partition(b"\r\n\r\n")
        status, *lines = head.split(b"\r\n")
        pairs = [line.partition(b": ") for line in lines]
        return _told(int(status.split()[1]), [(name, value) for name, _, value in pairs], body)

    def _scope(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
        told = dict(self._headers) | {
            name.replace("_", "-").encode(): text.encode() for name, text in headers.items()
        }
        if body:
            told[b"content-length"] = b"%d" % len(body)
        return {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "scheme": "http",
            "headers": list(told.items()),
        }

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.calls = 0
        sys.setprofile(self._count)
        try:
            yield
        finally:
            sys.setprofile(None)

    def _count(self, _frame: object, event: str, _argument: object) -> None:
        self.calls += event in ("call", "c_call")


async def test_a_request_takes_no_more_calls_of_functions_and_keeps_no_memory(app: Any, policies: Policies) -> None:
    client = Client(app, policies.secrets["acme"])
    took, forwarded = [], []
    for _ in range(30):  # the least of them, since what goes round beside them is counted too
        prediction = await _created(client, "runs")
        took.append(client.calls)
        assert await client.at_once(f"/v1/prediction/{prediction}")
        forwarded.append(client.calls)
    prediction, polls = await _created(client, "done"), []
    for _ in range(30):
        await client("GET", f"/v1/prediction/{prediction}")
        polls.append(client.calls)
    at_once = []
    for _ in range(30):
        assert await client.at_once(f"/v1/prediction/{prediction}")
        at_once.append(client.calls)
        await asyncio.sleep(0)
    found = {"create": min(took), "poll forwarded": min(forwarded)}
    found |= {"poll from cache": min(polls), "poll at once": min(at_once)}
    print(found)
    assert all(found[name] <= most for name, most in MOST_CALLS.items()), found
    kept = []
    for _ in range(5):
        before = sys.getallocatedblocks()
        for _ in range(20):
            await client("GET", f"/v1/prediction/{prediction}")
            await client.at_once(f"/v1/prediction/{prediction}")
            await asyncio.sleep(0)
        await asyncio.sleep(1.5 * WRITE_SECONDS)
        kept.append(sys.getallocatedblocks() - before)
    assert min(kept) < 20, "every poll keeps something"


async def _created(client: Client, kind: str) -> str:
    answer = await client("POST", "/v1/prediction", (BODY % kind).encode())
    return answer.partition(b'"predictionID":"')[2].partition(b'"')[0].decode()


async def test_what_is_answered_without_the_app_is_what_the_ordinary_way_answers(
    app: Any, policies: Policies
) -> None:
    client, other = Client(app, policies.secrets["acme"]), Client(app, policies.secrets["other"])
    path = f"/v1/prediction/{await _created(client, 'done')}"
    assert await client.at_once(path) == await client.ask("GET", path), "which nobody has looked at yet"
    asked: list[tuple[Client, str, dict[str, str], int]] = [
        (client, path, {}, 200),
        (client, path, {"host": "elsewhere:8443"}, 200),
        (client, path, {"x_api_key": "elg_" + "x" * 40}, 401),
        (client, path, {"authorization": "Bearer other"}, 401),
        (other, path, {}, 404),
        (client, "/v1/prediction/no/such", {}, 404),
    ]
    for who, where, headers, status in asked:
        now = await who.at_once(where, **headers)
        assert now is not None
        assert now[0] == status
        assert now == await who.ask("GET", where, **headers)
    for where, headers in ((path, {"prefer": "wait=1"}), ("/v1/prediction/unknown", {}), ("/v1/models", {})):
        assert await client.at_once(where, **headers) is None
