"""A worker's policy: it follows the folder, and changes over when the store says that the new content is in force."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from gateway.ledger.enactment import InForce
from gateway.ledger.store import LedgerUnavailable
from gateway.policy import FolderWatch, Policy, SecretMissing
from gateway.policy.following import PAUSE_SECONDS

log = logging.getLogger("gateway.worker")

#: Longer than the parent takes to put a change into force: the time in which one is to be in force everywhere.
PATIENCE_SECONDS = 2.0
AGAIN_SECONDS = 0.05


class PolicyFollower:
    """Adopts every valid change of the policy folder, all of it or none, with the numbers that the store gave it.

    Until the host's parent has put a change into force, the policy before it stays in use; so all workers change over
    at once. Where another host is ahead, the folder's own policy is used without a number, by which nothing is
    admitted. `numbers` are, by account, those of the policy in use; `adopt` keeps the dict that it is given.
    """

    def __init__(
        self,
        watch: FolderWatch,
        policy: Policy,
        adopt: Callable[[Policy, dict[str, int]], None],
        in_force: Callable[[str], Awaitable[InForce]],
    ) -> None:
        self._watch = watch
        self._adopt = adopt
        self._in_force = in_force
        self._policy = policy
        self._numbers: dict[str, int] = {}
        self._candidate: Policy | None = None
        self._lock = asyncio.Lock()
        self._rounds = 0
        self._behind_since: float | None = None
        self._again = asyncio.Event()
        adopt(policy, self._numbers)

    def read_again(self) -> None:
        """Read everything anew, the files that hold secrets too, though nothing may have changed: SIGHUP."""
        self._again.set()

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            await pause(self._again)
            async with self._lock:
                if self._again.is_set():
                    self._again.clear()
                    found = await self._watch.read()
                    self._candidate = found if isinstance(found, Policy) else self._candidate
                await self._look()
                if self._candidate is not None or len(self._numbers) < len(self._policy.accounts):
                    await self._change_over()

    async def catch_up(self) -> None:
        """Learn at once which policy is in force; those who ask meanwhile share the answer.

        Where this host does not have it, it may be about to: its folder changed twice in a moment, say. That is
        waited for, but no longer than PATIENCE_SECONDS since it fell behind.
        """
        while True:
            begun = self._rounds
            async with self._lock:
                if self._rounds == begun:
                    await self._look()
                    await self._change_over()
            if self._behind_since is None or time.monotonic() - self._behind_since > PATIENCE_SECONDS:
                return
            await asyncio.sleep(AGAIN_SECONDS)

    async def _look(self) -> None:
        found = await self._watch.look()
        if isinstance(found, Policy):
            self._candidate = found

    async def _change_over(self) -> None:
        """Use what is in force, if this worker knows it."""
        policy = self._candidate or self._policy
        numbers, waits = await self._standing(policy)
        self._rounds += 1
        if self._candidate is None:
            self._numbers.clear()
            self._numbers.update(numbers)
        elif not waits:
            self._use(self._candidate, numbers)
        if len(self._numbers) == len(self._policy.accounts):
            self._behind_since = None
        else:
            self._behind_since = self._behind_since or time.monotonic()

    async def _standing(self, policy: Policy) -> tuple[dict[str, int], bool]:
        """Give the numbers under which a policy is in force, and whether the rest is only a matter of moments.

        Without the store nothing can be admitted, and the folder alone decides.
        """
        try:
            found = {account: await self._in_force(account) for account in policy.accounts}
        except LedgerUnavailable:
            return {}, False
        numbers = {account: each.number for account, each in found.items() if each.version == policy.version}
        others = {each.version for each in found.values()} - {policy.version}
        return numbers, bool(others) and others <= {self._policy.version, ""}

    def _use(self, policy: Policy, numbers: dict[str, int]) -> None:
        self._candidate = None
        try:
            self._adopt(policy, numbers)
        except SecretMissing as error:
            log.debug("the last good policy stays: %s", error)  # the parent says it aloud, once for all workers
        else:
            self._policy, self._numbers = policy, numbers


async def pause(again: asyncio.Event) -> None:
    """Wait until the folder is to be looked at again, or until it is asked for."""
    try:
        await asyncio.wait_for(again.wait(), PAUSE_SECONDS)
    except TimeoutError:
        return
