"""Durability: whether an external store keeps what it acknowledges."""

from typing import Any

from gateway.ledger.store import LedgerUnavailable, Store

#: What a store must be set to; an account of money on a store that forgets is worth nothing.
REQUIRED = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


async def durability_problems(store: Store) -> list[str]:
    """Say, one line each, what in the configuration of any of its primaries may lose an acknowledged write."""
    problems = []
    for name, right in REQUIRED.items():
        try:
            replies = await store.everywhere("CONFIG GET", name)
        except LedgerUnavailable as error:
            return [f"its configuration cannot be read ({error}), so nothing is known of its durability"]
        found = {_setting(reply, name) or "unknown" for reply in replies}
        problems += [f"{name} is {value}, and must be {right}" for value in sorted(found - {right})]
    return problems


def _setting(reply: Any, name: str) -> str | None:
    pairs = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
    value = pairs.get(name.encode(), pairs.get(name))
    return value.decode() if isinstance(value, bytes) else value
