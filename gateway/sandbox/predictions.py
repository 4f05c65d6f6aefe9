"""Predictions: how each proceeds with time, ends once, and what it is billed."""

import asyncio
import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from gateway.sandbox.catalogue import Model
from gateway.sandbox.faults import amount_of
from gateway.sandbox.memory import Begun, Ended, Event, Memory

STARTING_SHARE = 0.2
"""The part of a run in which its status is "starting"."""
FAILURE = "The model could not process this input."


@dataclass(frozen=True)
class Ending:
    """How a prediction ended: its status, when, its bill, and how readers get to see the bill."""

    status: str
    at: float
    cost: Decimal
    visibility: str = "shown"
    """"shown", or a cost fault: "zero", "zero_once", "absent", "absent_in_polls"."""


@dataclass(kw_only=True, eq=False)
class Prediction:
    """One prediction. Times are seconds since 1970 in the sandbox's clock."""

    id: str
    key: str
    auth_header: str
    model: Model
    input: dict[str, object]
    price: Decimal
    base_url: str
    created_at: float
    ends_at: float
    webhook_url: str = ""
    webhook_secret: str = ""
    sync: bool = False
    requested_model: str | None = None
    """What a chat was asked for by."""
    workflow: tuple[str, str] | None = None
    """Workflow and version, of which this is an execution."""
    ending: Ending | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    cost_reads: int = 0
    """How many polls have read the final cost."""

    def status(self, now: float) -> str:
        """The status as a poll shows it."""
        if self.ending is not None:
            return self.ending.status
        begins_at = self.created_at + STARTING_SHARE * (self.ends_at - self.created_at)
        return "starting" if now < begins_at else "processing"

    def run_seconds(self, now: float) -> float:
        """How long it has run, to the millisecond."""
        until = now if self.ending is None else self.ending.at
        return round(max(0.0, until - self.created_at), 3)

    def outputs(self) -> list[str]:
        """Addresses of what it made, if it succeeded."""
        if self.ending is None or self.ending.status != "success":
            return []
        number = self.model.facts(self.input).get("num_images", 1)
        return [f"{self.base_url}/output/{self.id}-{place}.png" for place in range(int(number))]

    def output(self) -> list[str] | str | None:
        """The output in the model's own type; a failed run's is the reason."""
        if self.ending is not None and self.ending.status == "error":
            return FAILURE
        made = self.outputs()
        if not made:
            return None
        return made if self.model.output_type == "array" else made[0]


class Predictions:
    """All predictions, and those of each key that are in flight."""

    def __init__(self, next_cost_fault: Callable[[], str], memory: Memory, models: Mapping[str, Model]) -> None:
        self._next_cost_fault = next_cost_fault
        self._memory = memory
        self._by_id: dict[str, Prediction] = {}
        self._due: list[tuple[float, int, Prediction]] = []
        self._in_flight: dict[str, set[Prediction]] = {}
        self.billed = Decimal(0)
        self.reserved = Decimal(0)
        """The prices of those in flight, as upstream reserves its estimate."""
        self.peaks: dict[str, int] = {}
        """The most in flight at once, by key."""
        for event in memory.recall():
            self._replay(event, models)

    def add(self, prediction: Prediction) -> None:
        """Begin a prediction."""
        self._memory.note(_begun(prediction))
        self._begin(prediction)

    def _begin(self, prediction: Prediction) -> None:
        heapq.heappush(self._due, (prediction.ends_at, len(self._by_id), prediction))
        self._by_id[prediction.id] = prediction
        running = self._in_flight.setdefault(prediction.key, set())
        running.add(prediction)
        self.reserved += prediction.price
        self.peaks[prediction.key] = max(self.peaks.get(prediction.key, 0), len(running))

    def find(self, prediction_id: str) -> Prediction | None:
        """The prediction of that id."""
        return self._by_id.get(prediction_id)

    def in_order(self) -> list[Prediction]:
        """All of them, oldest first."""
        return list(self._by_id.values())

    def in_flight(self, key: str) -> set[Prediction]:
        """Those of a key that run, as of the last `settle_due`."""
        return self._in_flight.get(key, set())

    def settle_due(self, now: float) -> None:
        """End whatever has run its time, in the order of the ends."""
        while self._due and self._due[0][0] <= now:
            _, _, prediction = heapq.heappop(self._due)
            if prediction.ending is None:
                self._end(prediction, _ending(prediction, self._next_cost_fault()))

    def cancel(self, prediction: Prediction, now: float) -> None:
        """End a running prediction at cost 0."""
        self._end(prediction, Ending("cancelled", now, Decimal(0)))

    def _end(self, prediction: Prediction, ending: Ending) -> None:
        if prediction.ending is not None:
            raise ValueError(f"{prediction.id} ended before")
        self._memory.note(_ended(prediction, ending))
        self._conclude(prediction, ending)

    def _conclude(self, prediction: Prediction, ending: Ending) -> None:
        prediction.ending = ending
        self._in_flight[prediction.key].remove(prediction)
        self.reserved -= prediction.price
        self.billed += ending.cost
        prediction.ended.set()

    def _replay(self, event: Event, models: Mapping[str, Model]) -> None:
        """Do again what was noted; a model that this sandbox no longer knows is forgotten with its predictions."""
        if isinstance(event, Begun):
            if event.model in models:
                given = {name: getattr(event, name) for name in event.__struct_fields__}
                self._begin(Prediction(**given | {"model": models[event.model]}))
        elif (prediction := self._by_id.get(event.id)) is not None:
            self._conclude(prediction, Ending(event.status, event.at, event.cost, event.visibility))


def _begun(prediction: Prediction) -> Begun:
    given = {name: getattr(prediction, name) for name in Begun.__struct_fields__}
    return Begun(**given | {"model": prediction.model.slug})


def _ended(prediction: Prediction, ending: Ending) -> Ended:
    return Ended(id=prediction.id, status=ending.status, at=ending.at, cost=ending.cost, visibility=ending.visibility)


def _ending(prediction: Prediction, fault: str) -> Ending:
    cost = amount_of(fault, prediction.price)
    if fault.startswith("fail"):
        return Ending("error", prediction.ends_at, cost)
    visibility = fault if fault.startswith(("zero", "absent")) else "shown"
    return Ending("success", prediction.ends_at, cost, visibility)
