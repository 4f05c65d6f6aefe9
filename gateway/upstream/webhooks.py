"""Webhooks in upstream's shape: what it sends when a prediction ends, and its own record of what it sent."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from gateway.upstream.answers import Phase, phase_of

_PREDICTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,199}")


class Sent(NamedTuple):
    """One webhook that upstream sent: of which execution, where to, and when by upstream's clock (µs)."""

    execution: str
    url: str
    created_us: int


class Told(NamedTuple):
    """What the body of a webhook says; nothing in it is proved."""

    prediction: str
    phase: Phase
    output: Any


class _Body(msgspec.Struct):
    exec_id: str
    status: str
    output: Any = None


class _Polled(msgspec.Struct):
    status: str = ""
    output: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))
    message: str = ""
    details: str = ""

    def reason(self) -> str:
        """Find the text in which a failed prediction says why, wherever upstream put it."""
        found = msgspec.json.decode(self.output)
        found = found[0] if isinstance(found, list) and found else found
        found = found.get("error") if isinstance(found, dict) else found
        return found if isinstance(found, str) and found else self.details or self.message


class _Sent(msgspec.Struct):
    execution_id: str | None = None
    url: str = ""
    created_at: str = ""


class _History(msgspec.Struct):
    webhooks: list[_Sent]


def read_webhook(body: bytes) -> Told | None:
    """Read the body of a webhook; None where it is none."""
    try:
        found = msgspec.json.decode(body, type=_Body)
    except (ValueError, RecursionError):
        return None
    if not _PREDICTION.fullmatch(found.exec_id):
        return None
    return Told(found.exec_id, phase_of(found.status), found.output)


def read_sent(body: bytes) -> Sent | None:
    """Read upstream's record of one webhook; None where it is none."""
    try:
        return _sent(msgspec.json.decode(body, type=_Sent))
    except (ValueError, RecursionError):
        return None


def read_history(body: bytes) -> list[Sent] | None:
    """Read one page of upstream's records; None where it is none."""
    try:
        return [_sent(each) for each in msgspec.json.decode(body, type=_History).webhooks]
    except (ValueError, RecursionError):
        return None


def write_webhook(prediction: str, poll: bytes) -> bytes | None:
    """Write the body that upstream would have sent, from a poll of an ended prediction; None of one that runs.

    An output is copied byte by byte, since its numbers may have more digits than a float.
    """
    try:
        found = msgspec.json.decode(poll, type=_Polled)
    except (ValueError, RecursionError):
        return None
    phase = phase_of(found.status)
    if phase not in (Phase.SUCCEEDED, Phase.FAILED):
        return None
    reason = found.reason() if phase is Phase.FAILED else ""
    output = [{"error": reason}] if phase is Phase.FAILED else found.output
    body = {"exec_id": prediction, "status": phase.value, "output": output, "error": reason, "flow_id": None}
    return msgspec.json.encode(body)


def agrees(told: Told, poll: bytes) -> bool:
    """Tell whether a webhook says what a poll of its prediction proves: the same end, and no output but its own.

    Upstream may write the one address of a list in its place; how it words a failure differs too.
    """
    try:
        found = msgspec.json.decode(poll, type=_Polled)
        output = msgspec.json.decode(found.output)
    except (ValueError, RecursionError):
        return False
    return phase_of(found.status) is told.phase and (
        told.phase is not Phase.SUCCEEDED or set(_leaves(told.output)) <= set(_leaves(output))
    )


def _leaves(value: Any) -> Iterator[str]:
    """Give what a JSON value holds in the end: texts, numbers and words, each as JSON."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        yield json.dumps(value)
        return
    for each in value:
        yield from _leaves(each)


def _sent(found: _Sent) -> Sent:
    moment = datetime.fromisoformat(found.created_at)
    created = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return Sent(found.execution_id or "", found.url, int(created.timestamp() * 1_000_000))
