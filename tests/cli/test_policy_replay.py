"""`gateway policy replay`: recorded creates under another policy, on a ledger whose past was written for it."""

import asyncio
import json
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.admission.refusals import refusal
from gateway.domain.errors import Code
from gateway.domain.reservation import How
from gateway.ledger.decisions import Admitted, Busy, Capacity, Order, OverLimit
from gateway.ledger.embedded import find_server, opened
from gateway.ledger.ledger import Ledger
from gateway.ledger.postings import Postings
from gateway.ledger.refused import Refusal
from gateway.ledger.scratch import ScratchLedger
from gateway.ledger.scripts import load_scripts
from gateway.ledger.store import connect
from gateway.ledger.views import Views
from gateway.policy import Policy, load_policy

Run = Callable[..., tuple[int, str, str]]
SECOND, HOUR, DAY = 10**6, 3600 * 10**6, 86400 * 10**6
CENT = 10**6
CLOCK = (files("gateway.ledger") / "scripts" / "replay_clock.lua").read_text()
POLICY = f"""
[[account]]
id = "up"
[[account.key]]
id = "main"
secret_env = "K"
creates_per_minute = 1000
concurrent = 1000
[[model]]
slug = "flux"
price_version = "1"
usual_run_seconds = 20
max_run_seconds = 500000
[model.price]
kind = "fixed"
usd = "0.01"
[[tenant]]
id = "group"
[[tenant]]
id = "acme"
parent = "group"
%s
[[tenant.key]]
id = "web"
sha256 = "{"11" * 32}"
[[tenant]]
id = "bore"
[[tenant.key]]
id = "app"
sha256 = "{"22" * 32}"
"""


def limit(kind: str, **fields: Any) -> str:
    return "\n".join(
        ["[[tenant.limit]]", f'kind = "{kind}"', *(f"{n} = {json.dumps(v)}" for n, v in fields.items()), ""]
    )


def policy_of(folder: Path, acme: str = "", *pairs: tuple[str, str]) -> Policy:
    folder.mkdir(exist_ok=True)
    text = POLICY % acme
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    (folder / "all.toml").write_text(text)
    return load_policy(folder)


class Past:
    """Writes a ledger's past: creates under a policy at times of the test's choosing."""

    def __init__(self, store: Any, policy: Policy, now_us: int) -> None:
        self.now_us = now_us
        self.scripts = load_scripts(CLOCK)
        self.scratch = ScratchLedger(store, self.scripts, "up")
        self._store, self._policy, self._numbers = store, policy, iter(range(10**6))

    @property
    def ledger(self) -> Ledger:
        return self.scratch.ledger

    async def create(self, at_us: int, who: str = "acme/web", model: str = "flux", hold: int = CENT) -> str | None:
        """Ask for a create; gives its id, or writes its refusal down."""
        await self.scratch.at(at_us)
        tenant, _, key = who.partition("/")
        (principal,) = [p for p in self._policy.keyring.values() if (p.tenant.id, p.key) == (tenant, key)]
        name = f"r{next(self._numbers)}"
        order = Order(name, tenant, key, model, "1", hold, hold, 500_000, 10**6)
        postings = Postings(self.ledger.prefix, principal.scopes, principal.limits)
        keys = [Capacity(k.id, k.creates_per_minute, k.concurrent) for k in principal.tenant.account.keys]
        decision = await self.ledger.reserve(order, postings, keys)
        if isinstance(decision, OverLimit | Busy):
            await self.refused(at_us, refusal(decision, hold).code, who, model, hold)
            return None
        assert isinstance(decision, Admitted)
        await self.ledger.confirm(name, f"p-{name}", 10**6)
        return name

    async def end(self, at_us: int, name: str, cost: int = CENT) -> None:
        await self.scratch.at(at_us)
        await self.ledger.settle(name, cost, How.EXACT, "success")

    async def refused(
        self, at_us: int, code: Code, who: str = "acme/web", model: str = "flux", hold: int = CENT, **facts: int
    ) -> None:
        await self.scratch.at(at_us)
        tenant, _, key = who.partition("/")
        entry = Refusal(at_us, tenant, key, model, code, "1", hold, hold, json.dumps(facts) if facts else "")
        request = {"most": 1000, "lost": 0}
        await self._store.run(self.scripts["refused"], self.ledger.prefix, request, msgspec.msgpack.encode(entry))


@pytest.fixture
def past_dir() -> Iterator[Path]:
    with short_dir() as folder:
        yield folder


@contextmanager
def short_dir() -> Iterator[Path]:
    """Give a directory whose path is short enough for the store's socket; pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="replay-"))
    yield folder / "data"
    shutil.rmtree(folder)


@asynccontextmanager
async def written(data_dir: Path, policy: Policy) -> AsyncIterator[Past]:
    async with opened(data_dir, find_server(None)) as url:
        store = connect(url)
        await store.read("CONFIG", "SET", "appendfsync", "no")  # the test's time, not its subject
        yield Past(store, policy, await Views(store, "up").now_us())
        await store.aclose()


Work = Callable[[Past], Awaitable[None]]


@pytest.fixture
def replayed(gateway: Run, past_dir: Path, tmp_path: Path) -> Callable[..., Any]:
    """Write a past under an old policy, and replay it under a new one; gives exit status and JSON."""

    def run(work: Work, old: str = "", new: str = "", *pairs: tuple[str, str], since: str = "2d") -> tuple[int, Any]:
        async def write() -> None:
            async with written(past_dir, policy_of(tmp_path / "old", old)) as past:
                await work(past)

        asyncio.run(write())
        policy_of(tmp_path / "new", new, *pairs)
        place = ["--data-dir", str(past_dir), "--policies", str(tmp_path / "old")]
        status, out, err = gateway("policy", "replay", str(tmp_path / "new"), "--since", since, "--json", *place)
        assert status in (0, 2), err
        return status, json.loads(out)

    return run


async def ten(past: Past) -> None:
    """Ten creates of a cent, an hour ago, one each ten seconds; each runs for 25 seconds."""
    running: list[tuple[int, str]] = []
    for number in range(10):
        at_us = past.now_us - HOUR + number * 10 * SECOND
        while running and running[0][0] <= at_us:
            await past.end(*running.pop(0))
        name = await past.create(at_us)
        assert name is not None
        running.append((at_us + 25 * SECOND, name))
    for end in running:
        await past.end(*end)


@pytest.fixture(scope="module")
def ten_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A ledger in which the ten creates are all there is; whoever replays changes nothing in it."""

    async def write(folder: Path) -> None:
        async with written(folder, policy_of(tmp_path_factory.mktemp("old"))) as past:
            await ten(past)

    with short_dir() as folder:
        asyncio.run(write(folder))
        yield folder


def changed(found: Any) -> list[tuple[str, str, str, int, str]]:
    return [tuple(row.values()) for row in found["changed"]]


@pytest.mark.parametrize(
    ("new", "pairs", "expected"),
    [
        ("", [], []),
        (limit("budget", window="total", usd="0.04"), [], [("acme", "admitted", "budget_exceeded", 6, "0.06")]),
        (limit("count", window="year", max=9), [], [("acme", "admitted", "count_exceeded", 1, "0.01")]),
        (limit("concurrency", max=2), [], [("acme", "admitted", "concurrency_exceeded", 3, "0.03")]),
        (limit("rate", per_minute=4, burst=1), [], [("acme", "admitted", "rate_exceeded", 5, "0.05")]),
        (limit("count", window="year", max=1, mode="shadow"), [], []),
        ('models = ["veo*"]', [], [("acme", "admitted", "model_not_allowed", 10, "0.10")]),
        ("", [('id = "web"', 'id = "web"\nrevoked = true')], [("acme", "admitted", "invalid_key", 10, "0.10")]),
        ("", [('id = "web"', 'id = "other"')], [("acme", "admitted", "invalid_key", 10, "0.10")]),
        ("", [("concurrent = 1000", "concurrent = 1")], [("acme", "admitted", "upstream_busy", 6, "0.06")]),
        ("", [('slug = "flux"', 'slug = "flux2"')], [("acme", "admitted", "model_unpriced", 10, "0.10")]),
        (
            "",
            [('id = "group"', f'id = "group"\n{limit("budget", window="day", usd="0.05")}')],
            [("acme", "admitted", "budget_exceeded", 5, "0.05")],
        ),
    ],
)
def test_what_would_have_been_refused_is_told_by_tenant_code_and_money(
    gateway: Run, ten_dir: Path, tmp_path: Path, new: str, pairs: list[tuple[str, str]], expected: list[Any]
) -> None:
    policy_of(tmp_path / "new", new, *pairs)
    status, out, err = gateway("policy", "replay", str(tmp_path / "new"), "--json", "--data-dir", str(ten_dir))
    found = json.loads(out)
    assert (changed(found), err) == (expected, "")
    assert status == (2 if expected else 0)
    assert found["unchanged"]["admitted"]["creates"] == 10 - sum(row[3] for row in expected)


@pytest.mark.parametrize(
    ("span", "refused"), [({"window": "total"}, 7), ({"rolling": "10d"}, 7), ({"rolling": "8d"}, 2)]
)
def test_what_was_used_before_the_span_still_counts(replayed: Any, span: dict[str, str], refused: int) -> None:
    async def work(past: Past) -> None:
        for number in range(5):
            at_us = past.now_us - 9 * DAY + number * HOUR
            name = await past.create(at_us)
            assert name is not None
            await past.end(at_us + SECOND, name)
        await ten(past)

    _, found = replayed(work, "", limit("budget", **span, usd="0.08"), since="1d")
    assert changed(found) == [("acme", "admitted", "budget_exceeded", refused, f"0.0{refused}")]


def test_what_was_open_when_the_span_began_is_held_until_it_ended(replayed: Any) -> None:
    async def work(past: Past) -> None:
        name = await past.create(past.now_us - 3 * DAY)
        early = await past.create(past.now_us - 20 * HOUR)
        assert name is not None
        await past.end(past.now_us - 10 * HOUR, name)
        late = await past.create(past.now_us - 5 * HOUR)
        for each in (early, late):
            assert each is not None
            await past.end(past.now_us - HOUR, each)

    _, found = replayed(work, "", limit("concurrency", max=1), since="1d")
    assert changed(found) == [("acme", "admitted", "concurrency_exceeded", 1, "0.01")]


def test_what_was_refused_is_admitted_and_holds_its_money(replayed: Any) -> None:
    async def work(past: Past) -> None:
        for number in range(6):
            at_us = past.now_us - HOUR + number * 60 * SECOND
            name = await past.create(at_us)
            if name is not None:
                await past.end(at_us + 20 * SECOND, name)

    two = limit("count", window="year", max=2)
    status, found = replayed(work, two, limit("budget", window="total", usd="0.05"))
    assert (status, changed(found)) == (
        2,
        [("acme", "count_exceeded", "admitted", 3, "0.03"), ("acme", "count_exceeded", "budget_exceeded", 1, "0.01")],
    )


BY_IMAGES = (
    'kind = "fixed"\nusd = "0.01"',
    'kind = "megapixel"\nbase_usd = "0.01"\nextra_usd = "0.001"\n'
    '[model.input.num_images]\ntype = "integer"\ndefault = 1\n[model.input.image_size]\ntype = "string"',
)


def test_a_refusal_of_guard_or_list_is_decided_by_what_was_recorded_of_it(replayed: Any) -> None:
    async def work(past: Past) -> None:
        at_us = past.now_us - HOUR
        await past.refused(at_us, Code.PARAMETER_NOT_ALLOWED, num_images=3)
        await past.refused(at_us + 1, Code.PARAMETER_NOT_ALLOWED, num_images=2)
        await past.refused(at_us + 2, Code.MODEL_NOT_ALLOWED)
        await past.refused(at_us + 3, Code.MODEL_UNPRICED, hold=0)
        assert await past.create(at_us + 4)

    guards = '[[tenant.guard]]\nparameter = "num_images"\nmax = 2\n[[tenant.guard]]\nparameter = "seed"\nmax = 5\n'
    _, found = replayed(work, "", guards, BY_IMAGES)
    assert changed(found) == [
        ("acme", "model_not_allowed", "admitted", 1, "0.01"),
        ("acme", "parameter_not_allowed", "admitted", 1, "0.01"),
    ]
    assert found["unchanged"]["refused"] == {"creates": 1, "estimate_usd": "0.01"}
    assert found["notes"] == {
        "creates cannot be decided again: its model had no price then, and what it asked for is not recorded": 1,
        "creates have guards on parameters that are not recorded": 4,
    }


def test_a_price_of_another_version_prices_the_creates_anew(gateway: Run, ten_dir: Path, tmp_path: Path) -> None:
    dearer = (('price_version = "1"', 'price_version = "2"'), ('usd = "0.01"', 'usd = "0.03"'))
    policy_of(tmp_path / "new", limit("budget", window="total", usd="0.10"), *dearer)
    _, out, _ = gateway("policy", "replay", str(tmp_path / "new"), "--json", "--data-dir", str(ten_dir))
    found = json.loads(out)
    # Each is held at 0.03 and settled at what it did cost, 0.01: the last ones do not fit beside what is held.
    assert changed(found) == [("acme", "admitted", "budget_exceeded", 3, "0.03")]
    assert found["notes"] == {
        "creates are priced by another version; what was not recorded of them counts as left out": 10
    }


@pytest.mark.parametrize("since", ["3d", "15h"])
def test_the_policy_that_was_in_force_changes_nothing(replayed: Any, since: str) -> None:
    """Whatever happened, the creates come out as they did, from the beginning of the journal or from its middle."""
    limits = (
        limit("budget", window="day", usd="0.40")
        + limit("budget", window="total", usd="1.50")
        + limit("count", window="hour", max=9)
        + limit("budget", rolling="90m", usd="0.11")
        + limit("count", rolling="6h", max=35)
        + limit("concurrency", max=3)
        + limit("rate", per_minute=2, burst=3)
    )

    async def work(past: Past) -> None:
        chance, at_us, running = random.Random(7), past.now_us - 20 * HOUR, list[tuple[int, str]]()
        for _ in range(300):
            at_us += chance.choice((2, 2, 30, 300)) * SECOND
            while running and running[0][0] <= at_us:
                await past.end(*running.pop(0), chance.choice((0, CENT // 2, CENT)))
            name = await past.create(at_us, chance.choice(("acme/web", "acme/web", "bore/app")), hold=CENT)
            if name is not None:
                running = sorted([*running, (at_us + chance.choice((5, 90, 5000)) * SECOND, name)])

    status, found = replayed(work, limits, limits, since=since)
    assert (status, found["changed"]) == (0, [])
    assert found["unchanged"]["admitted"]["creates"] > 5
    assert found["unchanged"]["refused"]["creates"] > 5


def test_a_person_reads_a_table(gateway: Run, ten_dir: Path, tmp_path: Path) -> None:
    policy_of(tmp_path / "new", limit("budget", window="total", usd="0.04"))
    status, out, err = gateway("policy", "replay", str(tmp_path / "new"), "--data-dir", str(ten_dir))
    assert (status, err) == (2, "")
    assert out.splitlines()[1:] == [
        "as before: 4 admitted, 0.04 USD",
        "as before: 0 refused, 0.00 USD",
        "tenant  then      now              creates  estimate_usd",
        "acme    admitted  budget_exceeded        6          0.06",
    ]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("nothing",), "neither a folder"),
        ((".", "--since", "soon"), "not a span"),
        ((".", "--data-dir", "none"), "no ledger"),
    ],
)
def test_what_cannot_be_replayed_exits_1(
    gateway: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], reason: str
) -> None:
    policy_of(tmp_path / "new")
    monkeypatch.chdir(tmp_path / "new")
    status, out, err = gateway("policy", "replay", *words, *(() if "--data-dir" in words else ("--data-dir", "none")))
    assert (status, out, reason in err) == (1, "", True)
