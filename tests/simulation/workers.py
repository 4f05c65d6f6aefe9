"""Workers under simulation: the shipped assembly on a simulated store and wire; one may die at any moment."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from gateway.cli.assembly import Assembly, Clients
from gateway.cli.terms import Terms
from gateway.domain.secret import Secret
from gateway.ledger.scripts import Script
from gateway.ledger.store import Store
from gateway.policy import Policy
from gateway.server.owners import HostOwners, Owners
from gateway.telemetry import Telemetry
from simulation.store import SimClient
from simulation.upstream import SimWire
from simulation.webhooks import SECRET

_WORKER: contextvars.ContextVar["Worker | None"] = contextvars.ContextVar("worker", default=None)


class Worker:
    """One process of the gateway: everything it runs is known, so that it can be killed."""

    def __init__(
        self,
        client: SimClient,
        scripts: Mapping[str, Script],
        wire: SimWire,
        environ: Mapping[str, str],
        policy: Policy,
        public_url: str | None,
    ) -> None:
        self._client, self._wire = client, wire
        self._host = HostOwners(Path(":memory:"))
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._context = contextvars.copy_context()
        self._context.run(_WORKER.set, self)
        self.assembly = Assembly(
            Store(client),
            scripts,
            Clients(wire, wire, wire),
            Telemetry(CollectorRegistry()),
            environ,
            Secret([SECRET]),
            Owners(self._host),
            Terms(public_url=public_url),
        )
        self.adopt(policy)

    @property
    def dead(self) -> bool:
        return self._client.dead

    def adopt(self, policy: Policy) -> None:
        """Put a policy into force, unless the worker is dead by now."""
        if not self.dead:
            self._context.run(self.assembly.adopt, policy)

    def serve(
        self, scope: dict[str, Any], receive: Callable[[], Any], send: Callable[[Any], Any]
    ) -> "asyncio.Task[Any]":
        """Answer one request, as a task of this worker."""
        return self._context.run(asyncio.ensure_future, self.assembly.app(scope, receive, send))

    def kill(self) -> None:
        """Die as by kill -9: nothing that is cleaned up from here on reaches the store or upstream."""
        self._client.dead = self._wire.dead = True
        self._host.close()
        for task in list(self._tasks):
            task.cancel()

    def knows(self, task: "asyncio.Task[Any]") -> None:
        """Remember a task until it is done."""
        self._tasks[task] = None
        task.add_done_callback(self._forget)

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.pop(task, None)


def make_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **more: Any
) -> "asyncio.Task[Any]":
    """Make a task that the worker in whose name it runs knows of."""
    task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **more)
    context = more.get("context")
    worker = context.get(_WORKER) if context else _WORKER.get()
    if worker is not None:
        worker.knows(task)
        if worker.dead:
            task.cancel()
    return task
