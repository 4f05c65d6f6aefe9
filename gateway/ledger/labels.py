"""Labels: what many reservations have in common, kept once in the store under a number."""

from collections.abc import Iterable

import msgspec

from gateway.ledger.postings import account_prefix
from gateway.ledger.store import Store


class Labels(msgspec.Struct, array_like=True, frozen=True):
    """Whose reservation it is, of what, at which price; `model` is '' where the reservation itself names it."""

    tenant: str
    key: str
    model: str
    price_version: str
    postings: str


class LabelBook:
    """Reads one account's labels, each once: a number means the same for ever."""

    def __init__(self, store: Store, account: str) -> None:
        self._store = store
        self._key = f"{account_prefix(account)}:labels:n"
        self._known: dict[int, Labels] = {}

    async def find(self, numbers: Iterable[int]) -> dict[int, Labels]:
        """Give the labels of these numbers, and of those that were asked for before. Raises LedgerUnavailable.

        Raises KeyError for a number that was never given out.
        """
        new = sorted(set(numbers) - self._known.keys())
        if new:
            texts = await self._store.read("HMGET", self._key, *new)
            missing = [number for number, text in zip(new, texts, strict=True) if text is None]
            if missing:
                raise KeyError(f"the labels {missing} are not in the store")
            self._known |= {n: msgspec.msgpack.decode(t, type=Labels) for n, t in zip(new, texts, strict=True)}
        return self._known
