"""Waiting: a create asks for an upstream slot, and asks again whenever the queue calls it, until its time is over."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from gateway.ledger.decisions import Capacity, Final, Place, Queued
from gateway.ledger.queue import Queue
from gateway.ledger.requests import SEND_SECONDS
from gateway.policy import Tenant

HungUp = Callable[[], Coroutine[Any, Any, None]]
Ask = Callable[[Place | None], Awaitable[Final | Queued]]


class ClientGone(Exception):
    """The client hung up while its create waited."""


async def never() -> None:
    """Wait for the hanging up of a client that never does."""
    await asyncio.Event().wait()


class Turn:
    """One create's turn in the queue of its account; it waits as long as that says, and not beyond its client.

    `queued` tells whether it has a ticket there, and `waited_s` how long it had one.
    """

    def __init__(
        self, queue: Queue, ticket: str, tenant: Tenant, upstream: Sequence[Capacity], hung_up: HungUp
    ) -> None:
        self.queued = False
        self.waited_s = 0.0
        self._queue = queue
        self._ticket = ticket
        self._weight = tenant.weight
        self._seconds = tenant.account.queue_seconds
        self._upstream = upstream
        self._hung_up = hung_up

    async def decide(self, ask: Ask) -> tuple[Final, float]:
        """Ask, and wait where need be; gives the decision, and by when (time.monotonic()) it must be sent.

        Raises ClientGone, and what `ask` does.
        """
        place = Place(self._weight, stay=self._queue.open) if self._seconds else None
        begun = time.monotonic()
        gone: asyncio.Future[None] | None = None
        called = self._queue.wait(self._ticket)
        try:
            while True:
                called.clear()
                send_by = time.monotonic() + SEND_SECONDS
                decision = await ask(place)
                if not isinstance(decision, Queued):
                    return decision, send_by
                self._queue.joined(self._upstream, lapsed=self.queued and decision.entered)
                self.queued = True
                gone = gone or asyncio.ensure_future(self._hung_up())
                left = begun + self._seconds - time.monotonic()
                stay = await _called(called, gone, left) and self._queue.open
                place = Place(self._weight, decision.number, stay)
        finally:
            self._queue.done(self._ticket)
            self.waited_s = time.monotonic() - begun
            if gone is not None:
                gone.cancel()


async def _called(called: asyncio.Event, gone: "asyncio.Future[None]", seconds: float) -> bool:
    """Wait for a call, so long; tells whether there was one. Raises ClientGone."""
    call = asyncio.ensure_future(called.wait())
    try:
        await asyncio.wait((call, gone), timeout=max(seconds, 0), return_when=asyncio.FIRST_COMPLETED)
    finally:
        call.cancel()
    if gone.done():
        raise ClientGone
    return called.is_set()
