"""POST /v1/audio/transcriptions: a form with a sound in, its words out, streaming included."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal

import msgspec
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gateway.sandbox import pricing
from gateway.sandbox.answers import JSONAnswer
from gateway.sandbox.creates import Creates, until_ended
from gateway.sandbox.runs import Chunks, Refusal, Runs
from gateway.sandbox.simulation import Simulation

MOST_BYTES = 25 * 2**20
#: US dollars per million tokens heard and written.
TOKEN_RATES = {"openai/gpt-4o-transcribe": ("2.50", "10")}
#: US dollars per second heard.
SECOND_RATES = {"openai/whisper-1": "0.0001"}
BYTES_PER_SECOND, TOKENS_PER_SECOND = 16_000, 10
_PLAIN = ("text", "srt", "vtt")


class Transcriptions:
    """The route."""

    def __init__(self, simulation: Simulation, creates: Creates) -> None:
        self._simulation = simulation
        self._runs = Runs(simulation, creates)

    async def transcribe(self, request: Request) -> Response:
        """Answer a sound with words, at once or in events."""
        return await self._runs.answer(request, self._transcribe, MOST_BYTES)

    async def _transcribe(self, request: Request, raw: bytes, cut_short: bool) -> Response:
        given, size = await _read(request.headers, raw)
        stream = given.pop("stream", "false") == "true"
        model = str(given["model"])
        words = [f"word{number}" for number in range(self._simulation.chance.randint(2, 12))]
        usage, cost = _bill(model, -(-size // BYTES_PER_SECOND), len(words))
        prediction = self._runs.open(request, model, None, given, cost)
        if stream:
            pieces = self._runs.paced(prediction, _events(words, usage))
            return Chunks(pieces, "text/event-stream", {}, len(words) // 2 if cut_short else None)
        await until_ended(prediction, self._simulation)
        if given.get("response_format") in _PLAIN:
            return PlainTextResponse(" ".join(words))
        return JSONAnswer({"text": " ".join(words), "usage": usage})


async def _read(headers: Headers, raw: bytes) -> tuple[dict[str, object], int]:
    """Give what the record of the run repeats, the file by its digest, and the size of the file."""

    async def whole() -> AsyncIterator[bytes]:
        yield raw

    try:
        form = await MultiPartParser(headers, whole()).parse()  # type: ignore[arg-type]  # any iterator will do
    except (MultiPartException, KeyError) as error:
        raise Refusal(400, f"the form cannot be read: {error}") from error
    given: dict[str, object] = {
        name: form.getlist(name) if name.endswith("[]") else form[name] for name in form if name != "file"
    }
    file = form.get("file")
    if not isinstance(file, UploadFile) or not isinstance(given.get("model"), str):
        raise Refusal(400, "file and model are required")
    sound = await file.read()
    await form.close()
    return given | {"file": hashlib.sha256(sound).hexdigest()}, len(sound)


def _bill(model: str, seconds: int, wrote: int) -> tuple[Mapping[str, object], Decimal]:
    if model in SECOND_RATES:
        return {"type": "duration", "seconds": seconds}, Decimal(SECOND_RATES[model]) * seconds
    if model not in TOKEN_RATES:
        raise Refusal(400, f"the model {model!r} does not exist")
    heard, (hear, write) = seconds * TOKENS_PER_SECOND, TOKEN_RATES[model]
    usage = {"type": "tokens", "input_tokens": heard, "output_tokens": wrote, "total_tokens": heard + wrote}
    return usage, pricing.tokens(heard, hear) + pricing.tokens(wrote, write)


def _events(words: list[str], usage: Mapping[str, object]) -> list[bytes]:
    events: list[dict[str, object]] = [{"type": "transcript.text.delta", "delta": f"{word} "} for word in words]
    events.append({"type": "transcript.text.done", "text": " ".join(words), "usage": usage})
    return [b"data: " + msgspec.json.encode(event) + b"\n\n" for event in events]
