"""The store under simulation: a real server that is called synchronously, behind a network that loses and delays.

A call travels apart from its caller: one that was given up still arrives, late, as on a real network.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from ledger.wire import read_entry, read_labels
from redis import Redis
from redis.exceptions import NoScriptError, ResponseError

from gateway.ledger.failures import StoreError, StoreGone, refusal
from gateway.ledger.scripts import Script, load_scripts
from gateway.ledger.store import FORWARD
from simulation.chaos import Chaos
from simulation.invariants import Line, Witness, Wrote
from simulation.violation import check

PRELUDE = Path(__file__).with_name("prelude.lua").read_text("utf-8")
SCRIPTS = load_scripts(PRELUDE)
PREFIX = "{up}"
#: What a store says that does not run a script: full, a replica, unable to write, starting, or at another script.
REFUSALS = ("OOM command not allowed", "READONLY a replica", "MISCONF no disk", "LOADING", "BUSY running a script")
_ADVANCE = """
redis.call('SET', 'sim:now', ARGV[1])
redis.call('SET', 'sim:writes', 0)
for _, key in ipairs(redis.call('ZRANGEBYSCORE', 'sim:expiry', '-inf', ARGV[1])) do
  redis.call('DEL', key)
  redis.call('ZREM', 'sim:expiry', key)
end
"""


class SimServer:
    """Runs one command at a time at the store's simulated time, and shows each script to the witness."""

    def __init__(self, redis: "Redis[bytes]", scripts: Mapping[str, Script], now_us: Callable[[], int]) -> None:
        self.redis = redis
        self.witness = Witness()
        self.now_us = now_us
        self.scripts_run = 0
        self.digest = hashlib.sha256()
        self.scripts = scripts
        self.saw: Callable[[str, tuple[Any, ...]], None] = lambda _verb, _command: None
        self.after: Callable[[], None] = lambda: None
        self._verbs = {script.sha: script.verb for script in scripts.values()}
        self._connection: Any = redis.connection_pool.get_connection()
        redis.flushall()
        redis.script_flush()  # a run begins as on a new server, whichever came before

    def journal(self) -> list[Line]:
        """Read the whole journal."""
        labels = read_labels(self.redis.hgetall(f"{PREFIX}:labels:n"))
        return [_line(*each, labels) for each in self.redis.xrange(f"{PREFIX}:journal")]

    def close(self) -> None:
        """Give the connection back."""
        self.redis.connection_pool.release(self._connection)

    def run(self, *command: Any) -> Any:
        """Run one command; raises what the server answers as an error."""
        if command[:2] == ("EVAL", FORWARD):  # behind it and its two keys is a command of its own
            command = command[5:]
        if command[0] == "TIME":
            return divmod(self.now_us(), 1_000_000)
        now = self.now_us()
        script = command[0] in ("EVALSHA", "EVAL")
        after = f"({self.witness.ref.sequence}-0"
        news = ("GET", "sim:writes"), ("XRANGE", f"{PREFIX}:journal", after, "+"), ("HGETALL", f"{PREFIX}:labels:n")
        _, reply, *told = self._exchange(("EVAL", _ADVANCE, 0, now), command, *(news if script else ()))
        if isinstance(reply, NoScriptError):
            raise refusal("NOSCRIPT No matching script")
        check("fault", not isinstance(reply, Exception), "the store refuses", command[:2], reply)
        if script:
            labels = read_labels(told[2])
            self._observe(command, reply, Wrote(now, int(told[0]), [_line(*each, labels) for each in told[1]]))
        return reply

    def _exchange(self, *commands: tuple[Any, ...]) -> list[Any]:
        """Send commands at once and read every reply, in the shape that the client gives it."""
        self._connection.send_packed_command(self._connection.pack_commands(commands))
        return [self._read(str(command[0])) for command in commands]

    def _read(self, name: str) -> Any:
        shape = self.redis.response_callbacks.get(name)
        try:
            reply = self._connection.read_response()
        except ResponseError as error:
            return error
        return shape(reply) if shape else reply

    def _observe(self, command: tuple[Any, ...], reply: list[Any], wrote: Wrote) -> None:
        sha = command[1] if command[0] == "EVALSHA" else hashlib.sha1(command[1], usedforsecurity=False).hexdigest()
        verb = self._verbs[sha]
        self.scripts_run += 1
        self.digest.update(repr((wrote.now, verb, reply if verb != "claim" else len(reply))).encode())
        self.witness.observe(verb, msgspec.msgpack.decode(command[5]), command[6:], reply, wrote)
        self.saw(verb, command)
        self.after()


def _line(id_: bytes, fields: dict[bytes, bytes], labels: dict[int, dict[str, str]]) -> Line:
    entry = read_entry(id_, fields, labels)
    return Line(entry["seq"], entry["event"], entry["at"], entry)


class SimClient:
    """What a worker's Store has for a Redis client; dead with its worker."""

    def __init__(self, server: SimServer, chaos: Chaos, down: Callable[[], bool]) -> None:
        self._server = server
        self._chaos = chaos
        self._down = down
        self.dead = False

    def execute_command(self, *command: Any) -> "asyncio.Future[Any]":
        """Send a command on its way."""
        if self.dead:
            raise asyncio.CancelledError
        loop, chaos = asyncio.get_running_loop(), self._chaos
        reply: asyncio.Future[Any] = loop.create_future()
        there = chaos.delay(0.0004, "slow request", 0.03, 8)
        if self._down() or chaos.hit("request lost", 0.01):
            loop.call_later(there, self._fail, reply)
        elif chaos.hit("refused by the store", 0.01):
            loop.call_later(there, self._fail, reply, refusal(chaos.random.choice(REFUSALS)))
        else:
            loop.call_later(there, self._arrive, command, reply)
        return reply

    async def everywhere(self, *command: Any) -> list[Any]:
        """Send a command to every primary, of which there is one."""
        return [await self.execute_command(*command)]

    async def listen(self, channel: str, _heard: Callable[[bytes], None]) -> None:
        """Hear nothing: every call to a create that waits is lost, so that it must do without."""
        raise StoreGone(f"no connection for {channel}")

    async def aclose(self) -> None:
        """Close nothing."""

    def _fail(self, reply: "asyncio.Future[Any]", error: Exception | None = None) -> None:
        if not reply.done():
            reply.set_exception(error or StoreGone("lost"))

    def _arrive(self, command: tuple[Any, ...], reply: "asyncio.Future[Any]") -> None:
        loop, chaos = asyncio.get_running_loop(), self._chaos
        if chaos.hit("scripts flushed", 0.003):
            self._server.redis.script_flush()
        try:
            answer = self._server.run(*command)
            if chaos.hit("sent again", 0.01):  # as a client does that lost the first reply
                answer = self._server.run(*command)
        except StoreError as error:
            if not reply.done():
                reply.set_exception(error)
            return
        back = chaos.delay(0.0004, "slow reply", 0.01, 3)
        if chaos.hit("reply lost", 0.01):
            loop.call_later(back, self._fail, reply)
        else:
            loop.call_later(back, lambda: None if reply.done() else reply.set_result(answer))
