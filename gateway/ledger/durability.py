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
            replies = await store.everywhere("CONFIG", "GET", name)
        except LedgerUnavailable as error:
            return [f"its configuration cannot be read ({error}), so nothing is known of its durability"]
        found = {_setting(reply, name) or "unknown" for reply in replies}
        problems += [f"{name} is {value}, and must be {right}" for value in sorted(found - {right})]
    return problems + await _identity_problems(store)


async def _identity_problems(store: Store) -> list[str]:
    """Say whether a failover would go unnoticed: scripts learn from INFO on which server they run."""
    hidden = (
        "its replication id cannot be read (INFO replication), so that a failover that loses writes is not noticed"
    )
    try:
        told = await store.everywhere("EVAL", "return redis.call('INFO', 'replication')", 0)
    except LedgerUnavailable as error:
        return [f"{hidden}: {error}"]
    return [] if all(b"master_replid:" in text for text in told) else [hidden]


def _setting(reply: Any, name: str) -> str | None:
    pairs = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
    value = pairs.get(name.encode(), pairs.get(name))
    return value.decode() if isinstance(value, bytes) else value
