"""Durability: whether an external store keeps what it acknowledges."""

from gateway.ledger.store import LedgerUnavailable, Store

#: What a store must be set to; an account of money on a store that forgets is worth nothing.
REQUIRED = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


async def durability_problems(store: Store) -> list[str]:
    """Say, one line each, what in the store's configuration may lose an acknowledged write."""
    problems = []
    for name, right in REQUIRED.items():
        try:
            value = await _setting(store, name)
        except LedgerUnavailable as error:
            return [f"its configuration cannot be read ({error}), so nothing is known of its durability"]
        if value != right:
            problems.append(f"{name} is {value or 'unknown'}, and must be {right}")
    return problems


async def _setting(store: Store, name: str) -> str | None:
    reply = await store.read("CONFIG GET", name)
    pairs = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
    value = pairs.get(name.encode(), pairs.get(name))
    return value.decode() if isinstance(value, bytes) else value
