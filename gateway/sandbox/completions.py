"""The OpenAI-style routes: POST /v1/chat/completions and /v1/audio/speech, streaming included."""

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gateway.sandbox import pricing
from gateway.sandbox.answers import JSONAnswer
from gateway.sandbox.creates import Creates, until_ended
from gateway.sandbox.predictions import Prediction
from gateway.sandbox.runs import Chunks, Refusal, Runs
from gateway.sandbox.simulation import Simulation

#: US dollars per million tokens read and written.
CHAT_RATES = {"openai/gpt-5.1": ("1.25", "10"), "openai/gpt-4o-mini": ("0.15", "0.60")}
#: US dollars per thousand characters.
VOICE_RATES = {"deepgram/aura-2": "0.03"}
ROUTER = "eachlabs-llm-router"
MOST_WORDS = 24
T = TypeVar("T")


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


class Completions:
    """Both routes."""

    def __init__(self, simulation: Simulation, creates: Creates) -> None:
        self._simulation = simulation
        self._runs = Runs(simulation, creates)

    async def chat(self, request: Request) -> Response:
        """Answer a chat, at once or in events."""
        return await self._runs.answer(request, self._chat, self._simulation.config.body_limit_bytes)

    async def speech(self, request: Request) -> Response:
        """Answer a text with bytes that stand for its sound."""
        return await self._runs.answer(request, self._speech, self._simulation.config.body_limit_bytes)

    async def _chat(self, request: Request, raw: bytes, cut_short: bool) -> Response:
        body = _read(raw, ChatBody)
        if body.model not in CHAT_RATES:
            raise Refusal(400, f"the model {body.model!r} does not exist")
        words = self._words(body)
        usage = _usage(body, len(words))
        given = msgspec.json.decode(raw, type=dict[str, object])
        given = {name: value for name, value in given.items() if name not in ("stream", "stream_options")}
        prediction = self._runs.open(request, ROUTER, body.model, given, _chat_cost(body.model, usage))
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
        prediction = self._runs.open(request, body.model, None, given, cost)
        pieces = self._runs.paced(prediction, [bytes([number]) * 1000 for number in range(8)])
        return Chunks(pieces, "audio/mpeg", {"X-Execution-ID": prediction.id}, 4 if cut_short else None)

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
        async for event in self._runs.paced(prediction, [*events, b"data: [DONE]\n\n"]):
            yield event


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
