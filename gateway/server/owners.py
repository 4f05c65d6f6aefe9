"""Owners: whose prediction is whose, as far as the workers of this host have seen; bounded."""

import logging
import sqlite3
from collections import OrderedDict
from pathlib import Path

import msgspec

from gateway.domain.reservation import Reservation

log = logging.getLogger("gateway.owners")

MOST = 100_000
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
        self._table.execute(
            "CREATE TABLE IF NOT EXISTS known (number INTEGER PRIMARY KEY, account TEXT NOT NULL, "
            "prediction TEXT NOT NULL, reservation BLOB NOT NULL, UNIQUE (account, prediction))"
        )

    def remember(self, prediction: str, reservation: Reservation) -> None:
        """Keep the first that was said of a prediction; the oldest rows go when there are too many."""
        row = (reservation.account, prediction, msgspec.msgpack.encode(reservation))
        try:
            insert = "INSERT OR IGNORE INTO known (account, prediction, reservation) VALUES (?, ?, ?)"
            number = self._table.execute(insert, row).lastrowid or 0
            if number % TRIM_EVERY == 0:
                self._table.execute("DELETE FROM known WHERE number <= ?", (number - self._most,))
        except sqlite3.Error as error:
            log.warning("the host's other workers are not told of a prediction: %s", error)

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

    def __init__(self, host: HostOwners, most: int = MOST) -> None:
        self._host = host
        self._most = most
        self._known: OrderedDict[tuple[str, str], Reservation] = OrderedDict()

    def remember(self, prediction: str, reservation: Reservation) -> None:
        """Keep what is known of a prediction; the least used is forgotten when there are too many."""
        if (reservation.account, prediction) not in self._known:
            self._host.remember(prediction, reservation)
        self._keep(prediction, reservation)

    def find(self, account: str, prediction: str) -> Reservation | None:
        """Give the reservation of a prediction, if a worker of this host has seen it."""
        known = self._known.get((account, prediction)) or self._host.find(account, prediction)
        if known is not None:
            self._keep(prediction, known)
        return known

    def _keep(self, prediction: str, reservation: Reservation) -> None:
        key = (reservation.account, prediction)
        self._known[key] = reservation
        self._known.move_to_end(key)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
