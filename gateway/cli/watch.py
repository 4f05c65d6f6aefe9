"""The parent's view of the policy: puts it into force in the store, and says what is wrong with one that is not."""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping

from gateway.cli.following import pause
from gateway.ledger.enactment import Enactment, InForce
from gateway.ledger.store import LedgerUnavailable
from gateway.policy import FolderWatch, Policy, PolicyInvalid, SecretMissing, read_address, read_secret

log = logging.getLogger("gateway.policy")


class PolicyWatch:
    """Follows the policy folder as every worker does, and speaks for all of them.

    `policy` is the last good one; `problem` what is wrong with a later one; `behind` why the good one is not in
    force; `numbers` are those under which it is, by account.
    """

    def __init__(
        self,
        policy: Policy,
        folder: FolderWatch,
        enactment: Callable[[str], Enactment],
        *,
        secrets_needed: bool,
    ) -> None:
        self.policy = policy
        self.problem: str | None = None
        self.behind: str | None = None
        self.reloads = {"adopted": 0, "invalid": 0}
        self.numbers: dict[str, int] = {}
        self._folder = folder
        self._secrets_needed = secrets_needed
        self._enactment = enactment
        self._enactments: dict[str, Enactment] = {}
        self._again = asyncio.Event()

    def read_again(self) -> None:
        """Look at the folder at once, and say what came of it: SIGHUP."""
        self._again.set()

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            await pause(self._again)
            asked = self._again.is_set()
            self._again.clear()
            found = await self._folder.look()
            if found is not None:
                self._take(found)
            elif asked:
                log.info(
                    "asked to read the policy again: %s", self.problem or f"{self.policy.version[:12]} as before"
                )
            await self.enact()

    async def enact(self) -> None:
        """Put the last good policy into force wherever this host may, and see whether it is."""
        for account in self.policy.accounts:
            if account not in self._enactments:
                self._enactments[account] = self._enactment(account)
        try:
            found = {account: await each.ask(self.policy.version) for account, each in self._enactments.items()}
            for account in set(self._enactments) - set(self.policy.accounts):
                await self._enactments.pop(account).leave(self.policy.version)
        except LedgerUnavailable as error:
            log.debug("the store does not say which policy is in force: %s", error)
            return
        self._conclude(found)

    async def leave(self) -> None:
        """Say that this host stops."""
        for each in self._enactments.values():
            try:
                await each.leave(self.policy.version)
            except LedgerUnavailable:
                return  # the next host to start waits a moment

    def _take(self, found: Policy | PolicyInvalid) -> None:
        try:
            if isinstance(found, PolicyInvalid):
                raise found
            if self._secrets_needed:
                check_secrets(found)
            check_addresses(found)
        except (PolicyInvalid, SecretMissing) as error:
            self.problem = str(error)
            self.reloads["invalid"] += 1
            log.error("the changed policy is not adopted, the last good one stays:\n%s", error)  # noqa: TRY400
        else:
            self.policy, self.problem = found, None
            self.reloads["adopted"] += 1

    def _conclude(self, found: dict[str, InForce]) -> None:
        """Take note of what is in force, and tell it where it is news."""
        version = self.policy.version
        numbers = {account: each.number for account, each in found.items() if each.version == version}
        behind = _behind(version, {account: each for account, each in found.items() if account not in numbers})
        if behind and behind != self.behind:
            log.error("%s", behind)
        elif not behind and numbers != self.numbers:
            told = ", ".join(f"{account}: {number}" for account, number in numbers.items())
            log.info("policy %s is in force (%s)", version[:12], told)
        self.behind, self.numbers = behind, numbers


def _behind(version: str, others: Mapping[str, InForce]) -> str | None:
    if not others:
        return None
    told = ", ".join(f"{account}: {each.number}, {each.version[:12]}" for account, each in others.items())
    return (
        f"another policy is in force ({told}) than that of this folder ({version[:12]}), so that nothing is admitted "
        "here: bring the folder up to date, or put it into force with `gateway policy enact`"
    )


def check_secrets(policy: Policy) -> None:
    """See that the secret of every upstream key is there. Raises SecretMissing."""
    for account in policy.accounts.values():
        for key in account.keys:
            read_secret(key, os.environ)


def check_addresses(policy: Policy) -> None:
    """See that alerts have somewhere to go, where they are to. Raises SecretMissing."""
    for address in policy.all_alert_addresses:
        read_address(address, os.environ)
