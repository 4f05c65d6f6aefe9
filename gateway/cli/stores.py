"""The store for commands that read the ledger: the one of --redis-url, the embedded one, started if need be."""

import argparse
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.ledger.embedded import StoreFailed, find_server, has_ledger, opened
from gateway.ledger.store import Store, connect
from gateway.policy import Policy
from gateway.settings import Settings, add_arguments, read_settings

_NAMES = frozenset(("policies", "redis_url", "data_dir", "store_binary"))


def add_store_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say where policies and ledger are."""
    add_arguments(parser, _NAMES)


def add_account_argument(parser: argparse.ArgumentParser) -> None:
    """Add the flag that says which account's ledger is meant."""
    parser.add_argument("--account", default=None, help="the account (default: the only one)")


def named_account(flags: argparse.Namespace, policy: Policy) -> str:
    """Find the account that is meant. Raises ValueError where it is not said, or there is none of that name."""
    account: str = flags.account or next(iter(policy.accounts))
    if account not in policy.accounts or (flags.account is None and len(policy.accounts) > 1):
        raise ValueError(f"name one of the accounts with --account: {', '.join(policy.accounts)}")
    return account


@asynccontextmanager
async def open_store(flags: argparse.Namespace) -> AsyncIterator[tuple[Settings, Store]]:
    """Open the store that the settings name. Raises SettingInvalid, StoreFailed or ValueError."""
    settings = read_settings(flags, os.environ)
    if settings.redis_url:
        async with _connected(settings.redis_url) as store:
            yield settings, store
    else:
        if not has_ledger(settings.data_dir):
            raise StoreFailed(
                f"{settings.data_dir} holds no ledger; name the gateway's --data-dir, or its --redis-url"
            )
        async with opened(settings.data_dir, find_server(settings.store_binary)) as url, _connected(url) as store:
            yield settings, store


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Store]:
    store = connect(url)
    try:
        yield store
    finally:
        await store.aclose()
