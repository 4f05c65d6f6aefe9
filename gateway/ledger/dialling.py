"""Dialling: opens a connection to one server."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from gateway.ledger.address import Address
from gateway.ledger.bounds import CONNECT_SECONDS

_P = TypeVar("_P", bound=asyncio.Protocol)


async def dial(address: Address, protocol: Callable[[], _P]) -> tuple[asyncio.Transport, _P]:
    """Connect within CONNECT_SECONDS. Raises OSError."""
    loop = asyncio.get_running_loop()
    # Before the time begins: this reads the authorities' certificates, which takes a while.
    tls = address.tls() if address.tls is not None else None
    async with asyncio.timeout(CONNECT_SECONDS):
        if address.path is not None:
            return await loop.create_unix_connection(protocol, address.path)
        return await loop.create_connection(protocol, address.host, address.port, ssl=tls)
