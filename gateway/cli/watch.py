"""The parent's view of the policy: the one in force, and what is wrong with a change that is not adopted."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

from gateway.policy import Policy, PolicyInvalid, SecretMissing, follow_policy, read_secret

log = logging.getLogger("gateway.policy")


class PolicyWatch:
    """Follows the policy folder as every worker does, and speaks for all of them."""

    def __init__(self, policy: Policy, folder: Path, load: Callable[[], Policy], *, secrets_needed: bool) -> None:
        self.policy = policy
        self.problem: str | None = None
        self.reloads = {"adopted": 0, "invalid": 0}
        self._folder = folder
        self._load = load
        self._secrets_needed = secrets_needed

    async def run(self) -> None:
        """Follow until cancelled."""
        async for found in follow_policy(self._load, self._folder, self.policy.version):
            try:
                if isinstance(found, PolicyInvalid):
                    raise found
                if self._secrets_needed:
                    check_secrets(found)
            except (PolicyInvalid, SecretMissing) as error:
                self.problem = str(error)
                self.reloads["invalid"] += 1
                log.error("the changed policy is not adopted, the last good one stays:\n%s", error)  # noqa: TRY400
            else:
                self.policy, self.problem = found, None
                self.reloads["adopted"] += 1


def check_secrets(policy: Policy) -> None:
    """See that the secret of every upstream key is there. Raises SecretMissing."""
    for account in policy.accounts.values():
        for key in account.keys:
            read_secret(key, os.environ)
