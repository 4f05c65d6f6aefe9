"""Enactment: which policy is in force, by the store's own numbers, so that no two hosts admit by different ones."""

from collections.abc import Mapping
from typing import NamedTuple

from gateway.domain.window import MICROSECONDS
from gateway.ledger.postings import account_prefix
from gateway.ledger.scripts import Script
from gateway.ledger.store import Store

LEASE_SECONDS = 10  # how long a host counts as running after it asked
ALONE_SECONDS = 5  # how long no host in force may have been heard of before one that starts overrules
WORD_SECONDS = 600  # how long an operator's word is safe from that: the time to bring the hosts up to date


class PolicyBehind(Exception):
    """A create was priced by another policy than the one in force; nothing was decided or written."""


class InForce(NamedTuple):
    """The policy in force: its number (0: none yet) and the version that names its content."""

    number: int
    version: str


class Enactment:
    """The policy of one account as one host asks for it. Every method may raise LedgerUnavailable."""

    def __init__(self, store: Store, scripts: Mapping[str, Script], account: str, host: str) -> None:
        self._store = store
        self._script = scripts["enact"]
        self._prefix = account_prefix(account)
        self._host = host
        self._seen = 0

    async def ask(self, version: str) -> InForce:
        """Put what the host has read into force, where it may; give what is in force now.

        To be repeated while the host runs: it counts as running for LEASE_SECONDS after it asked.
        """
        found = await self._run(version)
        if found.version == version:
            self._seen = found.number
        return found

    async def command(self, version: str) -> InForce:
        """Put a content into force by an operator's word."""
        return await self._run(version, operator=True)

    async def leave(self, version: str) -> None:
        """Say that the host stops, so that the next one to start need not wait."""
        await self._run(version, leaving=True)

    async def _run(self, version: str, *, operator: bool = False, leaving: bool = False) -> InForce:
        request = {
            "host": self._host,
            "version": version,
            "seen": self._seen,
            "operator": operator,
            "leaving": leaving,
            "lease_us": LEASE_SECONDS * MICROSECONDS,
            "alone_us": ALONE_SECONDS * MICROSECONDS,
            "word_us": WORD_SECONDS * MICROSECONDS,
        }
        _, _, number, now_in_force = await self._store.run(self._script, self._prefix, request)
        return InForce(int(number), now_in_force.decode())


async def read_in_force(store: Store, account: str) -> InForce:
    """Read which policy of an account is in force. Raises LedgerUnavailable."""
    number, version = await store.read("HMGET", f"{account_prefix(account)}:policy", "number", "version")
    return InForce(int(number or 0), version.decode() if version else "")
