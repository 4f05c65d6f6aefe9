"""The HTTP/1.1 protocol of uvicorn, with bounds on the head of a request: its parser has none.

What can be answered without waiting is answered in the same turn of the loop, without a task, and what only waits for
a look at a prediction by a task without an app; and the timers of a connection are set once for many requests, since
setting one costs as much as reading a head.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Container
from typing import Any
from urllib.parse import unquote

import httptools
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.server.cycle import Cycle
from gateway.server.deferred import Deferred
from gateway.server.flow import Flag, Flow
from gateway.server.reply import Response

MOST_HEAD_BYTES = 64 * 1024
MOST_HEADERS = 100
#: How long a connection may take to send a whole head; between requests the keep-alive time counts instead.
HEAD_SECONDS = 15.0

#: Gives the answer to a request without a body, or what will be the answer; None where it is the app's to answer.
AtOnce = Callable[[Scope], Response | Awaitable[Response] | None]

#: A target without a query that stands for itself.
_PLAIN = re.compile(rb"/[A-Za-z0-9/._~-]*")
_EXPECT = b"expect"
_SCHEME = b"x-forwarded-proto"
#: What makes a request more than its head.
_MORE = frozenset((b"content-length", b"transfer-encoding", b"upgrade", _EXPECT))
_NOTED = _MORE | {_SCHEME}


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose head is too long, has too many headers, or does not come to its end.

    `proxies` are the addresses whose word on the client's scheme is taken (`X-Forwarded-Proto`).
    """

    # With these, the 28 of uvicorn's are few enough for Python to keep their names once for all connections.
    __slots__ = (
        "_answered",
        "_at_once",
        "_behind_proxy",
        "_head_bytes",
        "_head_timer",
        "_idle_since",
        "_may_answer",
        "_more",
        "_proxies",
        "_reading_head",
    )

    def __init__(
        self, *args: Any, at_once: AtOnce | None = None, proxies: Container[str | None] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.pipeline = []  # type: ignore[assignment]  # an empty deque takes 0.8 kB
        self._at_once = at_once
        self._proxies = proxies
        self._behind_proxy = False
        self._reading_head = True
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._idle_since: float | None = None
        self._more = False
        self._answered = False
        self._may_answer = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self.flow = Flow(transport)
        self._behind_proxy = self.client is not None and self.client[0] in self._proxies
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super()._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head that has no end yet; the parser would keep all of it."""
        if self._reading_head:
            self._head_bytes += len(data)
        # Of many requests that come together one is answered at once: other connections have their turn too.
        self._may_answer = True
        super().data_received(data)
        if not self._reading_head or self.transport.is_closing():
            return
        if self._head_bytes > MOST_HEAD_BYTES:
            self.send_400_response("The head of the request is too long.")
        elif self._head_timer is None:
            self._await_head()

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._idle_since = None
        self._more = self._answered = False
        if not self._reading_head:
            self._reading_head, self._head_bytes = True, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header; an exception here makes the parser fail, which answers 400 and closes."""
        if len(self.headers) >= MOST_HEADERS:
            raise ValueError("too many headers")
        name = name.lower()
        self.headers.append((name, value))
        if name in _NOTED:
            self._note(name, value)

    def on_headers_complete(self) -> None:
        """End a head, and answer the request at once where that can be done."""
        self._reading_head, self._idle_since = False, None
        if self._head_timer is not None:
            self._stop_waiting()
        answer = self._answer()
        if answer is None:
            self._begin()
            return
        self._answered, self._may_answer = True, False
        if isinstance(answer, Response):
            self.transport.write(answer.written(self.server_state.default_headers))
            self.on_response_complete()
        else:
            self._defer(answer)

    def on_message_complete(self) -> None:
        """End a request; one that is answered without the app was over with its head."""
        if not self._answered:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin the next of requests that came together, else wait for one."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that waits for its next request for so long; look again later if it does not yet."""
        self.timeout_keep_alive_task = None
        if self._idle_since is None:  # the end of what is in work begins the wait anew
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_again(left)
        else:
            super().timeout_keep_alive_handler()

    def _unset_keepalive_if_required(self) -> None:
        """Leave the timer as it is where uvicorn would set it anew for every request."""

    def _look_again(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _note(self, name: bytes, value: bytes) -> None:
        if name == _SCHEME:
            if self._behind_proxy and value.strip() in (b"http", b"https"):
                self.scope["scheme"] = value.strip().decode()
            return
        self._more = True
        if name == _EXPECT and value.lower() == b"100-continue":
            self.expect_100_continue = True

    def _answer(self) -> Response | Awaitable[Response] | None:
        """Ask for the answer to a request that is nothing but its head, on a connection with nothing else to do."""
        if self._at_once is None or not self._may_answer or self._more or not _PLAIN.fullmatch(self.url):
            return None
        busy = self.cycle is not None and not self.cycle.response_complete
        if busy or self.flow.write_paused or self.transport.is_closing():
            return None
        parser = self.parser
        if parser.get_method() != b"GET" or parser.get_http_version() != "1.1" or not parser.should_keep_alive():
            return None
        self.scope["method"], self.scope["path"], self.scope["query_string"] = "GET", self.url.decode("ascii"), b""
        scope: Any = self.scope  # the same to starlette by another name
        return self._at_once(scope)

    def _defer(self, answer: Awaitable[Response]) -> None:
        """Answer the request when that is there; those that come behind it wait for their turn."""
        headers = self.server_state.default_headers
        deferred = Deferred(answer, self.transport, headers, self.on_response_complete)
        self.cycle = deferred  # type: ignore[assignment]  # all of a cycle that it uses
        task = self.loop.create_task(deferred.run())
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def _begin(self) -> None:
        """Hand the request to the app, or let it wait for its turn behind one in work; as uvicorn does."""
        version = self.parser.get_http_version()
        self.scope["http_version"], self.scope["method"] = version, self.parser.get_method().decode("ascii")
        self._read_target()
        waits = self.cycle is not None and not self.cycle.response_complete
        self.cycle = Cycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=Flag(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if waits:
            self.flow.pause_reading()
            self.pipeline.insert(0, (self.cycle, self.app))
        else:
            self._start_asgi_task(self.cycle, self.app)

    def _read_target(self) -> None:
        raw, query = self.url, b""
        if not _PLAIN.fullmatch(raw):
            parsed = httptools.parse_url(raw)
            raw, query = parsed.path, parsed.query or b""
        self.scope["path"] = unquote(raw.decode("ascii"))
        self.scope["raw_path"], self.scope["query_string"] = raw, query

    def _await_head(self) -> None:
        self._stop_waiting()
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
