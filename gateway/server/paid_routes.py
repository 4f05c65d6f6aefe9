"""The paid routes beside the create, and the poll of a workflow's execution."""

from starlette.routing import Route as Path
from starlette.types import Receive, Scope, Send

from gateway.admission.asking import read_chat, read_speech, read_transcription, read_trigger
from gateway.server.exchange import Exchange
from gateway.server.paid import Paid
from gateway.server.parts import Parts
from gateway.server.poll import Polls


class PaidRoutes:
    """Gives the routes, each answered by a `Paid`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> list[Path]:
        """Give the routes for starlette's router."""
        trigger = "/v1/workflows/trigger/{workflow}/{version}"
        execution = "/v1/workflows/executions/{execution}"
        return [
            Path("/v1/chat/completions", Paid(self._parts, read_chat), methods=["POST"], name="chat"),
            Path("/v1/audio/speech", Paid(self._parts, read_speech), methods=["POST"], name="speech"),
            Path(
                "/v1/audio/transcriptions",
                Paid(self._parts, read_transcription),
                methods=["POST"],
                name="transcription",
            ),
            Path(execution, _Execution(self._parts), methods=["GET"], name="workflow_execution"),
            Path(trigger, Paid(self._parts, read_trigger), methods=["POST"], name="workflow"),
        ]


class _Execution:
    """Answers GET `/v1/workflows/executions/{execution}` as a poll is answered."""

    def __init__(self, parts: Parts) -> None:
        self._polls = Polls(parts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._polls.poll(Exchange(scope, receive, send), scope["path_params"]["execution"])
