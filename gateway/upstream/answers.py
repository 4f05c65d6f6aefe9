"""Answers: what upstream's JSON says, read into a closed set of words and exact money."""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from gateway.domain.money import MAX_UNITS, ceil_units


class Phase(StrEnum):
    """Where a prediction is; an unknown status counts as running, so that no money moves on a guess."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


#: The statuses that pages, webhooks and existing clients know.
PHASES = MappingProxyType(
    {
        "success": Phase.SUCCEEDED,
        "succeeded": Phase.SUCCEEDED,
        "completed": Phase.SUCCEEDED,
        "error": Phase.FAILED,
        "failed": Phase.FAILED,
        "cancelled": Phase.CANCELLED,
        "canceled": Phase.CANCELLED,
    }
)


#: No run takes a week; what upstream says beyond that is not believed.
LONGEST_RUN_SECONDS = 7 * 86400


class Reading(NamedTuple):
    """What an answer about a prediction says; `cost` is units of 1e-8 USD, None where it gives none.

    `run_ms` is how long it ran, 0 while it runs and where that is not told.
    """

    phase: Phase
    status: str
    cost: int | None
    run_ms: int = 0

    @property
    def ended(self) -> bool:
        """Whether the prediction runs no more."""
        return self.phase is not Phase.RUNNING


class Execution(NamedTuple):
    """One line of upstream's own list: `created_us` by upstream's clock, cost as in a Reading.

    `requested` is the model by whose name a chat asked for it, empty for anything else; `workflow` the execution of a
    workflow of which it is a step.
    """

    id: str
    model: str
    reading: Reading
    created_us: int
    requested: str = ""
    workflow: str = ""


def _absent() -> msgspec.Raw:
    """Stand for a cost that is not there: as JSON's null, it is no number."""
    return msgspec.Raw(b"null")


class _Metrics(msgspec.Struct):
    cost: msgspec.Raw = msgspec.field(default_factory=_absent)
    predict_time: msgspec.Raw = msgspec.field(default_factory=_absent)


class _Prediction(msgspec.Struct):
    status: str = ""
    metrics: _Metrics | None = None
    total_cost: msgspec.Raw = msgspec.field(default_factory=_absent)  # of a workflow's execution


class _Created(msgspec.Struct):
    prediction: str = msgspec.field(name="predictionID", default="")
    id: str = ""
    execution: str = msgspec.field(name="execution_id", default="")


class _Execution(msgspec.Struct):
    id: str
    model: str = ""
    status: str = ""
    execution_cost: msgspec.Raw = msgspec.field(default_factory=_absent)
    run_time: msgspec.Raw = msgspec.field(default_factory=_absent)
    created_at: str = ""
    requested_model: str | None = None
    workflow_execution_id: str | None = None

    def read(self) -> Execution:
        """Read it; a ValueError where its time cannot be read."""
        reading = _reading(self.status, self.execution_cost, self.run_time)
        names = (self.requested_model or "", self.workflow_execution_id or "")
        return Execution(self.id, self.model, reading, _instant_us(self.created_at), *names)


class _WorkflowExecution(msgspec.Struct):
    execution_id: str
    status: str = ""
    created_at: str = ""


class _WorkflowExecutions(msgspec.Struct):
    executions: list[_WorkflowExecution]


class _Executions(msgspec.Struct):
    # Required: an answer without it is no empty list, and an empty list is half a proof that nothing ran.
    executions: list[_Execution]


def read_created(body: bytes) -> str | None:
    """Give the id of what a create, a run or a workflow's trigger started; None if the answer names none."""
    try:
        created = msgspec.json.decode(body, type=_Created)
    except (ValueError, RecursionError):
        return None
    return created.prediction or created.id or created.execution or None


def read_prediction(body: bytes) -> Reading | None:
    """Read a poll's answer; None if it is not the JSON of a prediction."""
    try:
        prediction = msgspec.json.decode(body, type=_Prediction)
    except (ValueError, RecursionError):
        return None
    metrics = prediction.metrics or _Metrics(cost=prediction.total_cost)
    return _reading(prediction.status, metrics.cost, metrics.predict_time)


def read_input(body: bytes) -> dict[str, Any] | None:
    """Give the input that a poll's answer repeats; None where it has none."""
    try:
        answer = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None
    found = answer.get("input") if isinstance(answer, dict) else None
    return found if isinstance(found, dict) else None


def read_executions(body: bytes) -> list[Execution] | None:
    """Read one page of upstream's list of executions; None if it is not such a list."""
    try:
        return [each.read() for each in msgspec.json.decode(body, type=_Executions).executions]
    except (msgspec.MsgspecError, ValueError):
        return None


def read_workflow_executions(body: bytes, model: str) -> list[Execution] | None:
    """Read one page of a workflow's executions, as those of `model`; None if it is not such a list."""
    try:
        rows = msgspec.json.decode(body, type=_WorkflowExecutions).executions
        absent = _absent()
        return [
            Execution(row.execution_id, model, _reading(row.status, absent, absent), _instant_us(row.created_at))
            for row in rows
        ]
    except (msgspec.MsgspecError, ValueError):
        return None


def point_urls(body: bytes, base: str) -> bytes:
    """Make the addresses under `urls` point at the gateway (`base`), leaving every other byte of a value as it is."""
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        urls = msgspec.json.decode(fields["urls"], type=dict[str, Any])
        pointed = {name: base + urlsplit(url).path if isinstance(url, str) else url for name, url in urls.items()}
    except (msgspec.MsgspecError, KeyError, ValueError):  # ValueError: half a bracketed address
        return body
    return msgspec.json.encode(fields | {"urls": msgspec.Raw(msgspec.json.encode(pointed))})


def parse_cost(raw: bytes) -> int | None:
    """Read a JSON number of dollars exactly, as units of 1e-8 USD, rounded up; None for anything else."""
    try:
        usd = Decimal(raw.decode().strip('"'))
    except (InvalidOperation, UnicodeDecodeError):
        return None
    if not usd.is_finite() or usd.adjusted() > 9:  # an absurd exponent would cost memory to write out
        return None
    units = ceil_units(usd)
    return units if 0 <= units <= MAX_UNITS else None


def phase_of(status: str) -> Phase:
    """Read any of the words that upstream has for where a prediction is."""
    return PHASES.get(status.lower(), Phase.RUNNING)


def _reading(status: str, cost: msgspec.Raw, seconds: msgspec.Raw) -> Reading:
    phase = phase_of(status)
    run_ms = 0 if phase is Phase.RUNNING else _milliseconds(bytes(seconds))
    return Reading(phase, status, parse_cost(bytes(cost)), run_ms)


def _milliseconds(seconds: bytes) -> int:
    """Read how long a run took; 0 for what is no such time."""
    try:
        found = float(seconds.decode().strip('"'))
    except (ValueError, UnicodeDecodeError):
        return 0
    return int(found * 1000) if 0 < found < LONGEST_RUN_SECONDS else 0


def _instant_us(text: str) -> int:
    """Read a time; one without a zone is UTC, wherever the gateway runs."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)
