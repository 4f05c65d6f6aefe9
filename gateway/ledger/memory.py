"""Memory: what a worker admitted of late, so that a store that has lost it can be told again."""

from collections import OrderedDict

import msgspec

from gateway.ledger.decisions import Order
from gateway.ledger.postings import Postings

#: Some minutes of a busy worker; what a failover loses are the last moments.
MOST = 10_000


class Remembered(msgspec.Struct, gc=False):
    """A create that was admitted, at which time (microseconds of the store) and by which upstream key.

    `prediction` is '' until upstream's answer (status, body) gave it one; `due_s` is when it is to be looked at.
    """

    order: Order
    postings: Postings
    admitted_us: int
    upstream_key: str
    prediction: str = ""
    due_s: float = 0.0
    answer: tuple[int, bytes] | None = None


class Memory:
    """Remembers the last creates of one account; bounded."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: OrderedDict[str, Remembered] = OrderedDict()

    def admitted(self, create: Remembered) -> None:
        """Keep a create that was admitted."""
        self._known[create.order.id] = create
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def confirmed(self, reservation: str, prediction: str, due_s: float, answer: tuple[int, bytes] | None) -> None:
        """Keep what upstream made of it."""
        create = self._known.get(reservation)
        if create is not None:
            create.prediction, create.due_s, create.answer = prediction, due_s, answer

    def released(self, reservation: str) -> None:
        """Forget a create of which nothing runs."""
        self._known.pop(reservation, None)

    def since(self, from_us: int) -> list[Remembered]:
        """Give the creates that were admitted from a time on, oldest first."""
        return [create for create in self._known.values() if create.admitted_us >= from_us]
