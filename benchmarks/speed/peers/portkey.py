"""Portkey's gateway: it passes a chat on to a provider whose address comes with the request."""

import shutil

from benchmarks.installed import Unavailable, node_package
from benchmarks.programs import free_port
from benchmarks.speed.load import Call
from benchmarks.speed.peers.one_program import OneProgram
from benchmarks.speed.peers.peer import CHAT, CREATE, House

VERSION = "1.15.2"


class Portkey(OneProgram):
    """One process of node."""

    name: str = "portkey"
    loads: tuple[str, ...] = (CREATE,)

    def __init__(self) -> None:
        super().__init__()
        self._upstream = ""

    def version(self) -> str:
        """Name the version, installed here at the first time. Raises Unavailable."""
        if shutil.which("node") is None:
            raise Unavailable("node is not installed")
        node_package("portkey", "@portkey-ai/gateway", VERSION)
        return f"{VERSION}, 1 process, a chat: no key, no limit"

    async def start(self, house: House) -> None:
        """Start it."""
        script = node_package("portkey", "@portkey-ai/gateway", VERSION) / "build" / "start-server.js"
        port, self._upstream = free_port(), house.upstream
        words = ["node", str(script), f"--port={port}", "--headless"]
        await self._run(house, port, words, "", {"NODE_ENV": "production"})

    async def prepare(self, load: str) -> Call:  # noqa: ARG002 (it has one)
        """Give the request."""
        headers = {
            "Content-Type": "application/json",
            "Authorization": "Bearer bench",
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"{self._upstream}/v1",
        }
        return Call("POST", ("/v1/chat/completions",), headers, CHAT)
