"""Owners: whose prediction is whose, as far as the workers of this host have seen; bounded."""

import asyncio
import logging
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import msgspec

from gateway.domain.recent import Recent
from gateway.domain.reservation import Reservation

log = logging.getLogger("gateway.owners")

MOST = 100_000
#: Each takes some 0.5 kB of a worker; the host's table has the others, for 10 µs.
MOST_OF_WORKER = 2 * 16_384
#: How long a worker waits for another that writes; a write takes some ten microseconds.
LOCK_SECONDS = 0.05
#: Rows between two looks at whether there are too many.
TRIM_EVERY = 1000


class HostOwners:
    """What the workers of one `gateway serve` know together: a table in a file, gone with the process that made it.

    It spares a trip to the ledger, and answers for it while it is away; so it may fail or forget, and is not synced.
    """

    def __init__(self, path: Path, most: int = MOST) -> None:
        self._most = most
        self._table = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None)
        self._table.execute("PRAGMA journal_mode = WAL")  # readers wait for nobody
        self._table.execute("PRAGMA synchronous = OFF")
        self._table.execute("PRAGMA cache_size = -256")  # in kB; the kernel has the file in memory anyhow
        self._table.execute(
            "CREATE TABLE IF NOT EXISTS known (number INTEGER PRIMARY KEY, account TEXT NOT NULL, "
            "prediction TEXT NOT NULL, reservation BLOB NOT NULL, UNIQUE (account, prediction))"
        )

    def remember(self, known: Iterable[tuple[str, Reservation]]) -> None:
        """Keep the first that was said of each prediction; the oldest rows go when there are too many."""
        rows = [(mine.account, prediction, msgspec.msgpack.encode(mine)) for prediction, mine in known]
        insert = "INSERT OR IGNORE INTO known (account, prediction, reservation) VALUES (?, ?, ?)"
        try:
            with self._table:
                self._table.execute("BEGIN IMMEDIATE")
                before = self._last()
                self._table.executemany(insert, rows)
                if before // TRIM_EVERY < self._last() // TRIM_EVERY:
                    self._table.execute("DELETE FROM known WHERE number <= ?", (self._last() - self._most,))
        except sqlite3.Error as error:
            log.warning("the host's other workers are not told of %d predictions: %s", len(rows), error)

    def _last(self) -> int:
        number: int = self._table.execute("SELECT coalesce(max(number), 0) FROM known").fetchone()[0]
        return number

    def find(self, account: str, prediction: str) -> Reservation | None:
        """Give what any worker of the host said of a prediction."""
        query = "SELECT reservation FROM known WHERE account = ? AND prediction = ?"
        try:
            row = self._table.execute(query, (account, prediction)).fetchone()
        except sqlite3.Error as error:
            log.warning("what the host's other workers know cannot be read: %s", error)
            return None
        return msgspec.msgpack.decode(row[0], type=Reservation) if row else None

    def close(self) -> None:
        """Close the file."""
        self._table.close()


class Owners:
    """Remembers the reservation of a prediction, so that a poll needs no trip to the ledger.

    Only what a create's answer or the ledger said enters here; an entry never changes hands.
    """

    def __init__(self, host: HostOwners, most: int = MOST_OF_WORKER) -> None:
        self._host = host
        self._known: Recent[Reservation] = Recent(most)
        self._untold: list[tuple[str, Reservation]] = []

    def remember(self, prediction: str, reservation: Reservation) -> None:
        """Keep what is known of a prediction; the least used are forgotten when there are too many.

        The other workers are told once for all that is learned in a turn of the loop; a create's answer takes longer.
        """
        if self._own(reservation.account, prediction) is None:
            if not self._untold:
                asyncio.get_running_loop().call_soon(self.tell)
            self._untold.append((prediction, reservation))
        self._known.put(prediction, reservation)

    def tell(self) -> None:
        """Tell the other workers of the host what they have not been told yet."""
        untold, self._untold = self._untold, []
        self._host.remember(untold)

    def find(self, account: str, prediction: str) -> Reservation | None:
        """Give the reservation of a prediction, if a worker of this host has seen it."""
        own = self._own(account, prediction)
        if own is not None:
            return own
        known = self._host.find(account, prediction)
        if known is not None:
            self._known.put(prediction, known)
        return known

    def _own(self, account: str, prediction: str) -> Reservation | None:
        """Give what this worker knows; of two accounts with one prediction, which do not occur, it knows one."""
        known = self._known.get(prediction)
        return known if known is not None and known.account == account else None
