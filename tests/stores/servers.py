"""Servers of stores as an operator runs them: one, a pair, a group with its Sentinels, a Cluster; real processes."""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from benchmarks.programs import free_port
from gateway.ledger.children import bound_to_parent
from gateway.ledger.embedded import find_server
from stores.folders import in_memory

#: Names of engines; the first is in the wheel, so it is always there.
ENGINES = ("valkey", "redis")
DURABLE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
#: No copies by itself, and no waiting for more replicas before a copy is sent.
QUIET = {"save": "", "repl-diskless-sync-delay": "0"}
SLOTS = 16384
WAIT_SECONDS = 30
#: What a Sentinel is told of the primary that it watches as `money`.
SENTINEL = """
port {own}
sentinel myid {own:040x}
sentinel monitor money 127.0.0.1 {primary} 2
sentinel down-after-milliseconds money 500
sentinel failover-timeout money 5000
sentinel known-replica money 127.0.0.1 {replica}
"""
KNOWN = "sentinel known-sentinel money 127.0.0.1 {other} {other:040x}\n"


def binary_of(engine: str) -> str:
    """Find an engine's server, or skip the test that asks for it."""
    found = str(find_server(None)) if engine == "valkey" else shutil.which("redis-server")
    if found is None:
        pytest.skip("there is no redis-server on this machine; the same tests ran on the valkey-server of the wheel")
    return found


def until(ask: Callable[[], object], what: str) -> None:
    """Wait until it is so; a server that does not answer yet says no."""
    give_up = time.monotonic() + WAIT_SECONDS
    while True:
        with suppress(RedisError, OSError):
            if ask():
                return
        assert time.monotonic() < give_up, f"{what}: still not after {WAIT_SECONDS} s"
        time.sleep(0.01)


class Server:
    """One server process on a port and a directory that survive it."""

    def __init__(self, command: list[str], folder: Path, port: int, **options: str) -> None:
        self.port = port
        self.folder = folder
        self._words = [*command, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        self._words += [word for name, value in options.items() for word in (f"--{name}", value)]
        self.redis: Redis[bytes] = Redis(port=self.port, socket_timeout=5)
        self.process = self._run()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"redis://{self.address}"

    def start(self) -> None:
        """Run it again, on what it left."""
        self.process = self._run()
        self.answers()

    def answers(self) -> None:
        """Wait until it answers, its data loaded."""
        until(self.redis.ping, f"an answer of {self._words[0]} on {self.port}")

    def kill(self) -> None:
        """End it as by kill -9, also while it stands still."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Stop it in the middle of what it does, for a while."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def said(self, section: str) -> dict[str, Any]:
        """What it tells of itself."""
        return dict(self.redis.info(section))

    def follow(self, primary: "Server") -> None:
        """Become a replica, and wait until all is copied."""
        self.redis.execute_command("REPLICAOF", "127.0.0.1", primary.port)
        until(lambda: self.said("replication")["master_link_status"] == "up", f"{self.port} follows {primary.port}")

    def caught_up(self, primary: "Server") -> None:
        """Wait until a replica has all that its primary has."""
        until(
            lambda: (
                self.said("replication")["slave_repl_offset"] >= primary.said("replication")["master_repl_offset"]
            ),
            f"{self.port} has what {primary.port} has",
        )

    def close(self) -> None:
        self.redis.close()
        self.kill()

    def _run(self) -> "subprocess.Popen[bytes]":
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                self._words,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=bound_to_parent(signal.SIGKILL),
            )


class Yard:
    """Starts servers, each in a folder of its own; at the end none is left."""

    def __init__(self, stack: ExitStack) -> None:
        self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stores-", dir=in_memory())))
        self._stack = stack
        self._count = 0

    def server(self, engine: str = "valkey", **options: str) -> Server:
        """Start a server that keeps what it acknowledges."""
        begun = self._begin(engine, **DURABLE, **options)
        begun.answers()
        return begun

    def cluster(self, engine: str = "valkey", nodes: int = 3) -> "Cluster":
        """Start a Cluster whose slots are spread evenly over its nodes."""
        options = {"cluster-enabled": "yes", "cluster-config-file": "nodes.conf", "cluster-node-timeout": "15000"}
        return Cluster([self._begin(engine, **DURABLE, **options, **_bus()) for _ in range(nodes)])

    def sentinels(self, primary: Server, replica: Server, engine: str = "valkey") -> "Sentinels":
        """Start three Sentinels that watch a pair; they are told what they would find out within some seconds."""
        ports = [free_port() for _ in range(3)]
        return Sentinels([self._sentinel(engine, own, ports, primary, replica) for own in ports])

    def _sentinel(self, engine: str, own: int, ports: list[int], primary: Server, replica: Server) -> Server:
        folder = self._new_folder(engine)
        told = SENTINEL.format(own=own, primary=primary.port, replica=replica.port)
        told += "".join(KNOWN.format(other=other) for other in ports if other != own)
        config = folder / "sentinel.conf"
        config.write_text(told, "utf-8")
        return self._keep(Server([binary_of(engine), str(config), "--sentinel"], folder, own))

    def _begin(self, engine: str, **options: str) -> Server:
        return self._keep(Server([binary_of(engine)], self._new_folder(engine), free_port(), **QUIET | options))

    def _new_folder(self, engine: str) -> Path:
        self._count += 1
        folder = self._folder / f"{engine}-{self._count}"
        folder.mkdir()
        return folder

    def _keep(self, begun: Server) -> Server:
        self._stack.callback(begun.close)
        return begun


def _bus() -> dict[str, str]:
    return {"cluster-port": str(free_port())}


@contextmanager
def yard() -> Iterator[Yard]:
    """Give a yard for servers, empty and gone at the end."""
    with ExitStack() as stack:
        yield Yard(stack)


class Sentinels:
    """Three Sentinels that know of each other."""

    def __init__(self, servers: list[Server]) -> None:
        self.servers = servers
        for server in servers:
            server.answers()
        for server in servers:
            until(lambda server=server: self._is_ready(server), "Sentinels that know their group")

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(server.address for server in self.servers)}/money"

    def primary_port(self) -> int:
        """The port of the primary, by the last Sentinel's word."""
        _, port = self.servers[-1].redis.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", "money")
        return int(port)

    def _is_ready(self, server: Server) -> bool:
        (told,) = server.redis.execute_command("SENTINEL MASTERS").values()
        return (told["num-other-sentinels"], told["num-slaves"]) == (2, 1)


class Cluster:
    """A Cluster of primaries without replicas."""

    def __init__(self, nodes: list[Server]) -> None:
        self.nodes = nodes
        for number, node in enumerate(nodes):
            node.answers()
            first, stop = (SLOTS * each // len(nodes) for each in (number, number + 1))
            node.redis.execute_command("CLUSTER", "ADDSLOTSRANGE", first, stop - 1)
            bus = self._bus_port(node)
            for other in nodes[:number]:
                other.redis.execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        for node in nodes:
            until(lambda node=node: self._is_whole(node), "a Cluster that is whole")

    @property
    def url(self) -> str:
        return f"redis+cluster://{self.nodes[0].address}"

    def slot(self, account: str) -> int:
        return int(self.nodes[0].redis.execute_command("CLUSTER", "KEYSLOT", f"{{{account}}}"))

    def owner(self, account: str, asked: Server | None = None) -> Server:
        """The node that has an account's keys, by the word of the first or another node."""
        slot = self.slot(account)
        for first, last, primary, *_ in (asked or self.nodes[0]).redis.execute_command("CLUSTER SLOTS"):
            if int(first) <= slot <= int(last):
                return next(node for node in self.nodes if node.port == int(primary[1]))
        raise AssertionError(f"nobody has slot {slot}")

    @staticmethod
    def _bus_port(node: Server) -> int:
        return int(node._words[node._words.index("--cluster-port") + 1])

    def _is_whole(self, node: Server) -> bool:
        told = node.redis.execute_command("CLUSTER INFO")
        return (told["cluster_known_nodes"], told["cluster_state"]) == (str(len(self.nodes)), "ok")

    def migrate(self, account: str, target: Server) -> Iterator[None]:
        """Move an account's slot in the classic way; yields when announced and after each quarter of the keys."""
        source, slot, ids = self.owner(account), self.slot(account), self._ids()
        target.redis.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source.port])
        source.redis.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target.port])
        part = -(-int(source.redis.execute_command("CLUSTER", "COUNTKEYSINSLOT", slot)) // 4)
        yield
        while keys := source.redis.execute_command("CLUSTER", "GETKEYSINSLOT", slot, part):
            source.redis.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
            yield
        for node in (target, source, *self.nodes):
            node.redis.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[target.port])

    def migrate_at_once(self, account: str, target: Server) -> None:
        """Begin to move an account's slot in Valkey's atomic way; every node knows of it in its own time."""
        slot = self.slot(account)
        words = ("SLOTSRANGE", slot, slot, "NODE", self._ids()[target.port])
        self.owner(account).redis.execute_command("CLUSTER", "MIGRATESLOTS", *words)

    def _ids(self) -> dict[int, str]:
        return {node.port: node.redis.execute_command("CLUSTER", "MYID").decode() for node in self.nodes}
