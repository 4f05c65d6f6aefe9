"""The OpenAI-style routes: POST /v1/chat/completions and /v1/audio/speech, streaming included."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from decimal import Decimal
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.sandbox import pricing
from gateway.sandbox.answers import JSONAnswer
from gateway.sandbox.catalogue import Model
from gateway.sandbox.creates import Creates, read_body, until_ended
from gateway.sandbox.predictions import Prediction
from gateway.sandbox.simulation import Simulation
from gateway.sandbox.transport import cut

#: US dollars per million tokens read and written.
CHAT_RATES = {"openai/gpt-5.1": ("1.25", "10"), "openai/gpt-4o-mini": ("0.15", "0.60")}
#: US dollars per thousand characters.
VOICE_RATES = {"deepgram/aura-2": "0.03"}
ROUTER = "eachlabs-llm-router"
MOST_WORDS = 24
T = TypeVar("T")
_OBJECT: dict[str, object] = {"properties": {}, "required": []}


class ChatBody(msgspec.Struct, frozen=True):
    """The body of a chat completion."""

    model: str
    messages: list[dict[str, object]]
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stream: bool = False
    stream_options: dict[str, object] | None = None


class SpeechBody(msgspec.Struct, frozen=True):
    """The body of a synthesis of speech."""

    model: str
    input: str


class Refusal(Exception):
    """A refusal in OpenAI's envelope."""

    def __init__(self, status: int, message: str, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class Chunks(Response):
    """An answer in pieces, as they are made; `cut_after` so many of them the connection is closed."""

    def __init__(
        self, pieces: AsyncIterator[bytes], media_type: str, headers: dict[str, str], cut_after: int | None = None
    ) -> None:
        super().__init__(media_type=media_type, headers=headers)
        del self.headers["content-length"]
        self._pieces = pieces
        self._cut_after = cut_after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        sent = 0
        async for piece in self._pieces:
            if sent == self._cut_after:
                await cut(scope, receive)
                return
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            sent += 1
        await send({"type": "http.response.body", "body": b""})


class Completions:
    """Both routes."""

    def __init__(self, simulation: Simulation, creates: Creates) -> None:
        self._simulation = simulation
        self._creates = creates

    async def chat(self, request: Request) -> Response:
        """Answer a chat, at once or in events."""
        return await self._answer(request, self._chat)

    async def speech(self, request: Request) -> Response:
        """Answer a text with bytes that stand for its sound."""
        return await self._answer(request, self._speech)

    async def _answer(self, request: Request, act: Callable[[Request, bytes, bool], Awaitable[Response]]) -> Response:
        simulation = self._simulation
        body = await read_body(request, simulation.config.body_limit_bytes)
        simulation.seen.create(request, body)
        simulation.rate.arrive(simulation.authenticate(request).key, simulation.clock.time())
        fault = simulation.faults.next_request("creates")
        try:
            if fault.name == "mid_answer":
                return await act(request, body, True)
            return await fault.around(lambda: act(request, body, False), simulation.clock)
        except Refusal as refusal:
            simulation.seen.refused[refusal.status] += 1
            error = {"message": str(refusal), "type": refusal.kind, "param": None, "code": None}
            return JSONAnswer({"error": error}, refusal.status)

    async def _chat(self, request: Request, raw: bytes, cut_short: bool) -> Response:
        body = _read(raw, ChatBody)
        if body.model not in CHAT_RATES:
            raise Refusal(400, f"the model {body.model!r} does not exist")
        words = self._words(body)
        usage = _usage(body, len(words))
        given = msgspec.json.decode(raw, type=dict[str, object])
        given = {name: value for name, value in given.items() if name not in ("stream", "stream_options")}
        prediction = self._open(request, ROUTER, body.model, given, _chat_cost(body.model, usage))
        if body.stream:
            asked = bool((body.stream_options or {}).get("include_usage"))
            events = self._events(prediction, body.model, words, usage if asked else None)
            return Chunks(events, "text/event-stream", {}, len(words) // 2 if cut_short else None)
        await until_ended(prediction, self._simulation)
        message = {"role": "assistant", "content": " ".join(words)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return JSONAnswer(_completion(prediction, body.model, "chat.completion", [choice]) | {"usage": usage})

    async def _speech(self, request: Request, raw: bytes, cut_short: bool) -> Response:
        body = _read(raw, SpeechBody)
        if body.model not in VOICE_RATES:
            raise Refusal(400, f"the model {body.model!r} does not exist")
        cost = Decimal(VOICE_RATES[body.model]) * pricing.utf16_units(body.input) / 1000
        given: dict[str, object] = msgspec.json.decode(raw, type=dict[str, object])
        prediction = self._open(request, body.model, None, given, cost)
        pieces = self._paced(prediction, [bytes([number]) * 1000 for number in range(8)])
        return Chunks(pieces, "audio/mpeg", {"X-Execution-ID": prediction.id}, 4 if cut_short else None)

    def _open(
        self, request: Request, slug: str, requested: str | None, given: dict[str, object], cost: Decimal
    ) -> Prediction:
        model = Model(
            slug=slug,
            title=slug,
            output_type="string",
            request_schema=_OBJECT,
            price=lambda _given, _chance: cost,
        )
        credential = self._simulation.authenticate(request)
        return self._creates.open(request, credential, model, given, requested_model=requested)

    def _words(self, body: ChatBody) -> list[str]:
        most = body.max_tokens or body.max_completion_tokens or MOST_WORDS
        return [f"word{number}" for number in range(self._simulation.chance.randint(1, min(most, MOST_WORDS)))]

    async def _events(
        self, prediction: Prediction, model: str, words: Sequence[str], usage: dict[str, int] | None
    ) -> AsyncIterator[bytes]:
        told: dict[str, object] = {} if usage is None else {"usage": None}
        deltas: list[dict[str, object]] = [{"content": f"{word} "} for word in words]
        choices: list[dict[str, object]] = [{"index": 0, "delta": each, "finish_reason": None} for each in deltas]
        choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
        chunks = [_completion(prediction, model, "chat.completion.chunk", [choice]) | told for choice in choices]
        if usage is not None:
            chunks.append(_completion(prediction, model, "chat.completion.chunk", []) | {"usage": usage})
        events = [b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in chunks]
        async for event in self._paced(prediction, [*events, b"data: [DONE]\n\n"]):
            yield event

    async def _paced(self, prediction: Prediction, pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
        """Give the pieces over the time of the run; the last one when it has ended."""
        span = prediction.ends_at - prediction.created_at
        for number, piece in enumerate(pieces[:-1]):
            await self._simulation.clock.sleep_until(prediction.created_at + span * number / len(pieces))
            yield piece
        await until_ended(prediction, self._simulation)
        yield pieces[-1]


def _read(raw: bytes, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=type_)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, str(error)) from error


def _usage(body: ChatBody, wrote: int) -> dict[str, int]:
    read = 4 * len(body.messages) + len(msgspec.json.encode(body.messages)) // 4
    return {"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote}


def _chat_cost(model: str, usage: dict[str, int]) -> Decimal:
    read, wrote = CHAT_RATES[model]
    return pricing.tokens(usage["prompt_tokens"], read) + pricing.tokens(usage["completion_tokens"], wrote)


def _completion(
    prediction: Prediction, model: str, object_: str, choices: Sequence[dict[str, object]]
) -> dict[str, object]:
    return {
        "id": f"chatcmpl-{prediction.created_at:.6f}",
        "object": object_,
        "created": int(prediction.created_at),
        "model": model,
        "choices": choices,
    }
