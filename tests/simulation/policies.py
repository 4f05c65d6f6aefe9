"""Policies under simulation: one family of tenants, whose limits change at random and often."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.policy import Policy, load_policy
from gateway.policy.keys import digest
from simulation.chaos import Chaos

PRICES = {"m-cheap": 1_000_000, "m-odd": 1_234_567, "m-dear": 7_000_000}
#: Model → (usual, longest) seconds of a run.
TIMES = {"m-cheap": (2, 60), "m-odd": (5, 120), "m-dear": (10, 180)}
TENANTS = {"house": None, "acme": "house", "beta": "house", "solo": None}
SECRETS = {(tenant, key): f"secret-of-{tenant}-{key}" for tenant in TENANTS for key in ("web", "app")}
KEYS = ("first", "second")
IN_DOUBT_HOURS = 0.12
_ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")
#: Windows by the names that limits get of them, as a file states them.
_WINDOWS: dict[str, dict[str, Any]] = {
    **{name: {"window": name} for name in ("minute", "hour", "day", "week", "month", "year", "total")},
    **{f"rolling-{length}": {"rolling": length} for length in ("1m", "3m", "1h", "24h")},
    **{f"month-{day}": {"window": "month", "month_starts": day} for day in (2, 15, 31)},
}


@dataclass
class Policies:
    """Draws policies; upstream's real bounds of each key stay, and a policy states those or narrower ones."""

    chaos: Chaos
    epoch_s: float
    rates: tuple[int, ...]
    bounds: dict[str, tuple[int, int]] = field(init=False)
    grants: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        chance = self.chaos.random
        self.bounds = {key: (chance.choice((10, 30, 100)), chance.choice((4, 10, 30))) for key in KEYS}

    def draw(self) -> Policy:
        """Draw a policy, as a folder that is loaded."""
        with tempfile.TemporaryDirectory(prefix="policy-") as folder:
            Path(folder, "policy.toml").write_text("\n".join(self._lines()), "utf-8")
            return load_policy(Path(folder))

    def _lines(self) -> Iterable[str]:
        chance = self.chaos.random
        queue = {"queue_seconds": chance.choice((0, 3, 20))}
        yield from _table("account", id="up", base_url="http://up.test", in_doubt_hours=IN_DOUBT_HOURS, **queue)
        for key, (per_minute, concurrent) in self.bounds.items():
            narrow = chance.random() < 0.2
            bounds = {"creates_per_minute": per_minute // (1 + narrow), "concurrent": concurrent // (1 + narrow)}
            yield from _table("account.key", id=key, secret_env=f"KEY_{key}", **bounds)
        yield from self._limits("account.limit", 4)
        for slug, usd in PRICES.items():
            usual, longest = TIMES[slug]
            times = {"usual_run_seconds": usual, "max_run_seconds": longest}
            yield from _table("model", slug=slug, price_version="1", **times)
            yield from ("[model.price]", 'kind = "fixed"', f'usd = "{usd / 10**8:.8f}"')
        for tenant, parent in TENANTS.items():
            above = {"parent": chance.choice(("house", "solo"))} if parent else {"account": "up"}
            above |= {"weight": chance.choice((1, 1, 2, 5))}
            yield from _table("tenant", id=tenant, timezone=chance.choice(_ZONES), **above)
            yield from self._limits("tenant.limit", 2)
            for key in ("web", "app"):
                yield from _table("tenant.key", id=key, sha256=digest(SECRETS[tenant, key]).hex())
                if chance.random() < 0.3:
                    yield from self._limits("tenant.key.limit", 1)

    def _limits(self, table: str, size: float) -> Iterable[str]:
        chance, named = self.chaos.random, []
        for window, fields in _WINDOWS.items():
            mode = chance.choice(("enforce", "enforce", "enforce", "shadow"))
            more = {"mode": mode, "alert_at": self._alerts(), **fields}
            if chance.random() < 0.07:
                usd = f"{chance.choice((0.1, 0.5, 1.0, 2.0, 5.0)) * size:.2f}"
                yield from _table(table, kind="budget", usd=usd, **more)
                named.append(f"budget-{window}")
            if chance.random() < 0.05:
                most = int(chance.choice((3, 10, 40, 100)) * size)
                yield from _table(table, kind="count", max=most, **more)
                named.append(f"count-{window}")
        if chance.random() < 0.25:
            rate = {chance.choice(("per_minute", "per_second")): chance.choice(self.rates)}
            yield from _table(table, kind="rate", burst=chance.choice((1, 3, 8)), **rate)
        if chance.random() < 0.25:
            yield from _table(table, kind="concurrency", max=int(chance.choice((1, 4, 8)) * size))
            named.append("concurrency")
        for name in named:
            if chance.random() < 0.3:
                yield from self._grant(table.replace("limit", "grant"), name)

    def _grant(self, table: str, name: str) -> Iterable[str]:
        """Grant something for a while that begins, ends or both while the run is busy."""
        chance, reason = self.chaos.random, f"g{len(self.grants)}"
        start = self.epoch_s + chance.uniform(-200, 300)
        span = [datetime.fromtimestamp(at, UTC) for at in (start, start + chance.uniform(0.001, 200))]
        cents = chance.choice((1, 30, 200))
        amount = {"usd": f"{cents / 100:.2f}"} if name.startswith("budget") else {"max": cents}
        raised = cents * 10**6 if "usd" in amount else cents
        self.grants[reason] = (raised, *(round(at.timestamp() * 10**6) for at in span))
        yield from _table(table, limit=name, reason=reason, **amount)
        yield from (f"{word} = {at.isoformat()}" for word, at in zip(("from", "until"), span, strict=True))

    def _alerts(self) -> list[float]:
        return self.chaos.random.choice(([], [0.5, 0.8, 1.0], [0.07, 0.999]))


def _table(name: str, **fields: Any) -> Iterable[str]:
    yield f"[[{name}]]"
    for field_, value in fields.items():
        yield f"{field_} = " + (f'"{value}"' if isinstance(value, str) else str(value))
