"""Owners: whose prediction is whose, as far as this worker has seen; bounded."""

from collections import OrderedDict

from gateway.domain.reservation import Reservation

MOST = 100_000


class Owners:
    """Remembers the reservation of a prediction, so that a poll needs no trip to the ledger.

    Only what a create's answer or the ledger said enters here; an entry never changes hands.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: OrderedDict[tuple[str, str], Reservation] = OrderedDict()

    def remember(self, prediction: str, reservation: Reservation) -> None:
        """Keep what is known of a prediction; the least used is forgotten when there are too many."""
        key = (reservation.account, prediction)
        self._known[key] = reservation
        self._known.move_to_end(key)
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def find(self, account: str, prediction: str) -> Reservation | None:
        """Give the reservation of a prediction, if this worker has seen it."""
        found = self._known.get((account, prediction))
        if found is not None:
            self._known.move_to_end((account, prediction))
        return found
