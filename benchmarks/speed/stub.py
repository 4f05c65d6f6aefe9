"""The stub upstream: answers at once, with as little work as Python can do; run as a program of its own.

A POST makes a prediction whose name begins with `done` where the body has that word, else with `runs`; a GET of the
first has ended, and one of the second never ends. Predictions are numbered from 1, whatever else is asked in between,
and stand in the list of executions. `/made` tells how many there are, `/count` how many requests came so far, these
two left out.
"""

import argparse
import asyncio
from email.utils import formatdate

import uvloop

from benchmarks.speed.made import Made

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ndate: %b\r\ncontent-length: "
#: The time matters only beside the list of executions, which tells times of its own.
HEAD_UNDATED = HEAD % b"Thu, 01 Jan 2026 00:00:00 GMT"
ENDED = (
    b'{"id":"x","input":{"prompt":"a"},"status":"success","output":["https://example.com/a.png"],'
    b'"metrics":{"predict_time":1.5,"cost":0.014}}'
)
RUNS = b'{"id":"x","input":{"prompt":"a"},"status":"processing","output":null,"metrics":{"predict_time":0,"cost":0}}'
CHAT = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"bench","choices":[{"index":0,"finish_reason":"stop",'
    b'"message":{"role":"assistant","content":"hi"}}],"usage":{"prompt_tokens":1,"completion_tokens":1,'
    b'"total_tokens":2}}'
)


class Count:
    """How many requests came, and the predictions that they made."""

    def __init__(self) -> None:
        self.requests = 0
        self.made = Made()


class Stub(asyncio.Protocol):
    """One connection."""

    def __init__(self, count: Count) -> None:
        self._count = count
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # of TCP
        """Keep what answers go to."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        data, answers = self._rest + data, []
        while (request := _first(data)) is not None:
            answers.append(self._answer(request))
            data = data[len(request) :]
        self._rest = data
        if answers and self._transport is not None:
            self._transport.write(b"".join(answers))

    def _answer(self, request: bytes) -> bytes:
        if request.startswith(b"GET /count"):
            return _written(b"%d" % self._count.requests)
        if request.startswith(b"GET /made"):
            return _written(b"%d" % len(self._count.made))
        self._count.requests += 1
        if request.startswith(b"GET /v1/executions"):
            query = request.split(b" ", 2)[1].partition(b"?")[2].decode()
            return _written(self._count.made.page(query), HEAD % formatdate(usegmt=True).encode())
        if request.startswith(b"GET"):
            return _written(ENDED if b"/done-" in request[:80] else RUNS)
        if b"/chat/" in request[:80]:
            return _written(CHAT)
        name = self._count.made.add(ended=b'"done"' in request)
        return _written(
            b'{"status":"success","message":"Prediction created successfully","predictionID":"%b"}' % name
        )


def _first(data: bytes) -> bytes | None:
    """Cut the first whole request off; None where there is none."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[:end].lower()
    at = head.find(b"content-length:")
    length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    whole = end + 4 + length
    return data[:whole] if len(data) >= whole else None


def _written(body: bytes, head: bytes = HEAD_UNDATED) -> bytes:
    return head + b"%d\r\n\r\n" % len(body) + body


async def _serve(port: int) -> None:
    count = Count()
    server = await asyncio.get_running_loop().create_server(lambda: Stub(count), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(_serve(parser.parse_args().port))
