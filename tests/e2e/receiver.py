"""A tenant's endpoint: takes webhooks, and answers as a test says."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from e2e.clients import until


@dataclass
class Receiver:
    """What came, as (head, body); `answers` maps a path to its status, which is else 200."""

    port: int
    answers: dict[str, int] = field(default_factory=dict)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def of(self, prediction: str) -> list[tuple[dict[str, str], bytes]]:
        """What came for one prediction."""
        return [each for each in self.got if json.loads(each[1])["exec_id"] == prediction]

    async def first(self, prediction: str) -> tuple[dict[str, str], bytes]:
        """Wait for the first webhook of a prediction."""

        async def came() -> list[Any]:
            return self.of(prediction)

        return (await until(came, 60))[0]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
            head = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines if line)}
            self.got.append((head, await reader.readexactly(int(head["content-length"]))))
            status = self.answers.get(first.split()[1], 200)
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def receiving(port: int) -> AsyncIterator[Receiver]:
    """Listen on a port of this machine."""
    receiver = Receiver(port)
    async with await asyncio.start_server(receiver.handle, "127.0.0.1", port):
        yield receiver
