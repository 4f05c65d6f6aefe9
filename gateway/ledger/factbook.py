"""The fact book: what decided the prices of many reservations, kept once in the store under a number."""

from gateway.ledger.postings import account_prefix
from gateway.ledger.store import Store


class FactBook:
    """Reads one account's facts; a number means the same for ever."""

    def __init__(self, store: Store, account: str) -> None:
        self._store = store
        self._key = f"{account_prefix(account)}:facts"
        self._texts: dict[int, str] = {}

    async def text(self, number: int) -> str:
        """Give the facts of a number. Raises LedgerUnavailable, and KeyError where it was never given out."""
        if number not in self._texts:  # there are few, so all are read at once
            found = await self._store.read("HGETALL", self._key)
            self._texts = {int(each): text.decode() for text, each in found.items()}
        return self._texts[number]
