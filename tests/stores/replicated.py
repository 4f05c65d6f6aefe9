"""A store that is replicated: a primary, a replica that may be behind when it takes over, and the way to either."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from stores.proxy import Proxy, proxy
from stores.servers import Server, Yard


@dataclass
class Replicated:
    """A primary whose replica is behind from some moment on, and the way to the primary of the moment."""

    primary: Server
    replica: Server
    way: Proxy

    def pause(self) -> None:
        """From here on nothing that is acknowledged reaches the replica."""
        self.replica.caught_up(self.primary)
        self.replica.redis.execute_command("REPLICAOF", "127.0.0.1", 1)

    def fail_over(self) -> None:
        """Kill the primary, and make the replica one."""
        self.primary.kill()
        self.replica.redis.execute_command("REPLICAOF", "NO", "ONE")
        self.way.lead_to(self.replica.port)


@asynccontextmanager
async def replicated(ground: Yard, engine: str = "valkey") -> AsyncIterator[Replicated]:
    """Start a pair; it has ended afterwards."""
    primary, replica = ground.server(engine), ground.server(engine)
    replica.follow(primary)
    async with proxy(primary.port) as way:
        yield Replicated(primary, replica, way)
    for server in (primary, replica):
        server.close()
