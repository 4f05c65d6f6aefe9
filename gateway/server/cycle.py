"""A request and its answer, on its way from the app to the connection: uvicorn's, with fewer writes."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from gateway.server.reply import CLOSE, write_headers

#: Headers by which an answer is not simply its head and its body.
_FRAMES = frozenset((b"connection", b"transfer-encoding"))


class Cycle(RequestResponseCycle):
    """uvicorn's, but an answer that its app has as a whole leaves in one write, and one packet.

    The head of an answer that tells its length is held back until its body is there; an app that fails in between has
    sent nothing, and the connection ends. A streamed answer tells no length, and its head leaves at once.
    """

    _held: Any = None

    async def send(self, message: Any) -> None:
        """Take a message of the app's."""
        held, self._held = self._held, None
        if held is None and self._tells_length(message):
            self._held, self.response_started, self.waiting_for_100_continue = message, True, False
        elif held is None:
            await super().send(message)
        elif not self._written(held, message):
            self.response_started = False
            await super().send(held)
            await super().send(message)

    def _tells_length(self, message: Any) -> bool:
        if message["type"] != "http.response.start" or self.response_started or self.scope["method"] == "HEAD":
            return False
        names = dict(message.get("headers", ()))
        return b"content-length" in names and _FRAMES.isdisjoint(names)

    def _written(self, start: Any, message: Any) -> bool:
        """Write the answer if this is all of its body, and it can be written now."""
        body, headers = message.get("body", b""), start["headers"]
        if message.get("more_body") or int(dict(headers)[b"content-length"]) != len(body):
            return False
        if self.disconnected or self.flow.write_paused:
            return False
        lines = write_headers((*self.default_headers, *headers, *(() if self.keep_alive else (CLOSE,))))
        self.transport.write(b"".join((STATUS_LINE[start["status"]], lines, b"\r\n", body)))
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        return True
