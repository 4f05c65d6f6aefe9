"""Reading: one pass over a journal that goes on, as far as it is wanted, adding up what it says."""

from collections.abc import Iterable, Mapping

from gateway.domain.reservation import State
from gateway.ledger.checkpoint import Position
from gateway.ledger.fold import Place, Post, Poster, Sums, Tail
from gateway.ledger.journal import Entry, JournalGap, read_journal
from gateway.ledger.lives import Lives
from gateway.ledger.postings import account_prefix
from gateway.ledger.store import Store


class Reading:
    """What the journal says of counters, from its floor and from behind the checkpoint, and of every life in it."""

    def __init__(
        self,
        store: Store,
        account: str,
        places: Iterable[Place],
        begin: Position,
        before: Mapping[str, State],
    ) -> None:
        self.sequence = begin.floor
        self.entries = 0
        self.lives = Lives(before, whole=begin.floor == 0)
        self.sums = Sums()
        self._store = store
        self._account = account
        self._begin = begin
        self._tail = Tail()
        self._counters = {place.counter for place in places}
        self._poster = Poster({}, self._counters)

    async def advance(self, sequence: int) -> None:
        """Read up to a sequence number and no further.

        Raises LedgerUnavailable, JournalGap, and KeyError for a set of postings that the store does not know.
        """
        if self.sequence >= sequence:
            return
        async for entry in read_journal(self._store, self._account, self.sequence):
            posts = await self._posts(entry)
            self.sums.add(entry.sequence, posts)
            if entry.sequence > self._begin.rolled:
                self._tail.add(entry.sequence, posts)
            self.lives.add(entry)
            self.sequence = entry.sequence
            self.entries += 1
            if entry.sequence >= sequence:
                return
        raise JournalGap(self.sequence + 1, sequence)

    async def _posts(self, entry: Entry) -> list[Post]:
        """Give what an entry posts; the sets of postings are read when one is met that is new, for creates go on."""
        try:
            return self._poster.posts(entry)
        except KeyError:
            self._poster = Poster(await read_postings(self._store, self._account), self._counters)
            return self._poster.posts(entry)

    def behind(self, rolled: int) -> Sums:
        """Give the sums of what was read behind the checkpoint, which never goes back."""
        return self._tail.behind(rolled)

    def covers(self, place: Place) -> bool:
        """Tell whether everything that counts in a window is in the journal."""
        return self._begin.floor == 0 or place.start_us > self._begin.floor_us


async def read_postings(store: Store, account: str) -> dict[str, str]:
    """Read every set of postings, by its id. Raises LedgerUnavailable."""
    reply = await store.read("HGETALL", f"{account_prefix(account)}:postings")
    return {id_.decode(): text.decode() for id_, text in reply.items()}
