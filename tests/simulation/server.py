"""The server under simulation: a real one, started for a while, on a socket that is called synchronously."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis

from gateway.ledger.embedded import EmbeddedStore, find_server


@contextmanager
def running_server() -> Iterator["Redis[bytes]"]:
    """Run a server without fsync: what a crash of it does is not simulated."""
    with tempfile.TemporaryDirectory(prefix="sim-") as folder, asyncio.Runner() as runner:
        store = EmbeddedStore(Path(folder, "data"), find_server(None))
        runner.run(store.start())
        try:
            with Redis.from_url(store.url) as redis:
                redis.config_set("appendfsync", "no")
                redis.config_set("appendonly", "no")
                redis.config_set("save", "")
                yield redis
        finally:
            runner.run(store.stop())
