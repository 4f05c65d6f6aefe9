"""The queue for upstream slots as one worker takes part in it: who of its creates waits, and who of them is called.

Calls come by the store's pub/sub. Beside them the worker asks whose turn it is, a few times a second for all its
creates together, which keeps their tickets and makes up for calls that were lost.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence

from gateway.domain.window import MICROSECONDS
from gateway.ledger.decisions import Capacity
from gateway.ledger.postings import account_prefix
from gateway.ledger.requests import TICKET_SECONDS, call_request
from gateway.ledger.scripts import Script
from gateway.ledger.store import LedgerUnavailable, Store

log = logging.getLogger("gateway.queue")

BEAT_SECONDS = 0.25
#: How long a worker listens on after the last of its creates, so that not each brings a connection of its own.
LINGER_SECONDS = 5.0
#: Room that is made by time is looked for so much later, so that it is there.
LATER_SECONDS = 0.001


class Queue:
    """One worker's creates that wait for the upstream slots of one account."""

    def __init__(self, store: Store, scripts: Mapping[str, Script], account: str, worker: str) -> None:
        self.open = True  # closed, nobody waits any longer
        self._store = store
        self._script = scripts["call"]
        self._prefix = account_prefix(account)
        self.worker = worker
        self._waiters: dict[str, asyncio.Event] = {}
        self._upstream: Sequence[Capacity] = ()
        self._task: asyncio.Task[None] | None = None

    def wait(self, ticket: str) -> asyncio.Event:
        """Be called for a ticket, until `done`: the event is set whenever its turn may have come."""
        self._waiters[ticket] = called = asyncio.Event()
        return called

    def done(self, ticket: str) -> None:
        """Be called no longer."""
        del self._waiters[ticket]

    def joined(self, upstream: Sequence[Capacity], *, lapsed: bool) -> None:
        """See to it that a create which has a ticket by now is called.

        `upstream` is what it waits for; `lapsed` says that its ticket was gone, and so are perhaps the others'.
        """
        self._upstream = upstream
        if lapsed:
            self._call(self._waiters)
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._attend())

    def close(self) -> None:
        """Let nobody wait any longer."""
        self.open = False
        self._call(self._waiters)

    async def aclose(self) -> None:
        """Stop listening."""
        self.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    def _call(self, tickets: Iterable[str]) -> None:
        for ticket in list(tickets):
            if ticket in self._waiters:
                self._waiters[ticket].set()

    async def _attend(self) -> None:
        """Listen, and ask now and then, until nobody has waited for a while."""
        loop = asyncio.get_running_loop()
        listening = asyncio.ensure_future(self._listen())
        heard_at = waited_at = loop.time()
        try:
            while loop.time() - waited_at < LINGER_SECONDS:
                pause = BEAT_SECONDS
                if self._waiters:
                    waited_at = loop.time()
                    try:
                        pause = await self._ask()
                        heard_at = loop.time()
                    except LedgerUnavailable as error:
                        log.warning("the queue of %s cannot be read: %s", self._prefix, error)
                if loop.time() - heard_at > TICKET_SECONDS:  # whoever asks now is refused, or queues again
                    self._call(self._waiters)
                await asyncio.sleep(pause)
        finally:
            listening.cancel()
            await asyncio.wait((listening,))

    async def _ask(self) -> float:
        """Keep the tickets, and call whose turn it is; gives the seconds until it is to be asked again."""
        request = call_request(self.worker, self._upstream)
        _, _, ready_us, called = await self._store.run(self._script, self._prefix, request)
        self._call(ticket.decode() for ticket in called)
        ready_s = int(ready_us) / MICROSECONDS + LATER_SECONDS if ready_us else BEAT_SECONDS
        return min(ready_s, BEAT_SECONDS)

    async def _listen(self) -> None:
        """Hear the calls; while that cannot be, the worker's own asking is enough."""
        while True:
            try:
                await self._store.listen(f"{self._prefix}:q", self._heard)
            except LedgerUnavailable as error:
                log.warning("calls to waiting creates are not heard for now: %s", error)
            await asyncio.sleep(BEAT_SECONDS)

    def _heard(self, message: bytes) -> None:
        self._call(message.decode().split("\n"))
