"""What goes wrong and when: queues filled by a test, else chances drawn from a seed."""

import re
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from starlette.responses import Response

from gateway.sandbox.answers import JSONAnswer, Refused, Shape
from gateway.sandbox.clock import Clock
from gateway.sandbox.config import SandboxConfig
from gateway.sandbox.transport import Cut, MidAnswer

_REQUEST_FAULT = re.compile(
    r"ok|cut|cut_before|cut_after|500_before|500_after|garbage|mid_answer|[45]\d\d|(slow|late):\d+(\.\d+)?"
)
_COST_FAULT = re.compile(r"ok|\d+(\.\d+)?|zero|zero_once|absent|absent_in_polls|fail(:\d+(\.\d+)?)?")
_WEBHOOK_FAULT = re.compile(r"ok|lost|dropped|duplicate|copies:[0-5]|delay:\d+(\.\d+)?")
_GRAMMARS = {
    "creates": _REQUEST_FAULT,
    "polls": _REQUEST_FAULT,
    "executions": _REQUEST_FAULT,
    "history": _REQUEST_FAULT,
    "costs": _COST_FAULT,
    "webhooks": _WEBHOOK_FAULT,
}
_STATUS_TEXTS = {
    400: "Invalid input",
    401: "Invalid or missing API key",
    402: "payment required",
    403: "forbidden",
    404: "not found",
    422: "invalid request body",
    429: "Rate limit exceeded",
}


@dataclass(frozen=True)
class RequestFault:
    """What befalls one request: `name`, and for "slow" and "late" how many seconds."""

    name: str
    seconds: float = 0.0

    async def around(self, act: Callable[[], Awaitable[Response]], clock: Clock) -> Response:
        """Do the act, or not, and answer as this fault would have it."""
        if self.name == "late":
            await clock.sleep_until(clock.time() + self.seconds)
        if (early := self._instead()) is not None:
            return early
        answer = await act()
        if self.name == "slow":
            await clock.sleep_until(clock.time() + self.seconds)
        return self._afterwards(answer)

    def _instead(self) -> Response | None:
        if self.name in ("cut", "cut_before"):
            return Cut()
        if self.name == "500_before":
            return _error(500)
        if self.name.isdigit():
            raise _refusal(int(self.name))
        return None

    def _afterwards(self, answer: Response) -> Response:
        if self.name == "cut_after":
            return Cut()
        if self.name == "500_after":
            return _error(500)
        if self.name == "garbage":
            return Response(b'{"status":"succ\xff<html>', 200, media_type="application/json")
        return MidAnswer(answer) if self.name == "mid_answer" else answer


class Faults:
    """The queues and the chances; a queue is used up before chance decides."""

    def __init__(self, config: SandboxConfig) -> None:
        self._queues: dict[str, deque[str]] = {name: deque() for name in _GRAMMARS}
        self._chances = {
            "creates": _Chances(config.seed, _create_rates(config)),
            "polls": _Chances(config.seed + 1, {"500": config.poll_error_rate, "cut": config.poll_cut_rate}),
            "costs": _Chances(config.seed + 2, {"fail": config.fail_rate, "zero_once": config.zero_cost_rate}),
        }
        self.applied: Counter[str] = Counter()
        """How often each fault befell something, as "queue fault"."""

    def add(self, queues: Mapping[str, Sequence[str]]) -> None:
        """Append to queues, all or nothing. Raises ValueError for one that does not exist, or its fault."""
        for queue, names in queues.items():
            if queue not in _GRAMMARS:
                raise ValueError(f"no queue {queue!r}; there are {', '.join(_GRAMMARS)}")
            for name in names:
                if _GRAMMARS[queue].fullmatch(name) is None:
                    raise ValueError(f"{queue}: no fault {name!r}")
        for queue, names in queues.items():
            self._queues[queue].extend(names)

    def waiting(self) -> dict[str, list[str]]:
        """What is still queued."""
        return {name: list(queue) for name, queue in self._queues.items()}

    def next_name(self, queue: str) -> str:
        """The fault of the next thing that this queue is about; "ok" for none."""
        if self._queues[queue]:
            name = self._queues[queue].popleft()
        else:
            chances = self._chances.get(queue)
            name = "ok" if chances is None else chances.draw()
        if name != "ok":
            self.applied[f"{queue} {name}"] += 1
        return name

    def next_request(self, queue: str) -> RequestFault:
        """The fault of the next request of "creates", "polls", "executions" or "history" (of webhooks)."""
        name, _, seconds = self.next_name(queue).partition(":")
        return RequestFault(name, float(seconds or 0))


class _Chances:
    """One seeded draw for each event, so that a run repeats from its seed."""

    def __init__(self, seed: int, rates: dict[str, float]) -> None:
        if not all(rate >= 0 for rate in rates.values()) or sum(rates.values()) > 1:
            raise ValueError(f"rates must be shares that sum to at most 1: {rates}")
        self._random = Random(seed)
        self._rates = rates

    def draw(self) -> str:
        chance = self._random.random()
        for name, rate in self._rates.items():
            if chance < rate:
                return name
            chance -= rate
        return "ok"


def _create_rates(config: SandboxConfig) -> dict[str, float]:
    return {
        f"slow:{config.slow_seconds}": config.slow_rate,
        "cut_before": config.cut_before_rate,
        "cut_after": config.cut_after_rate,
        "500_before": config.error_before_rate,
        "500_after": config.error_after_rate,
        "mid_answer": config.mid_answer_rate,
        "garbage": config.garbage_rate,
    }


def _refusal(status: int) -> Refused:
    shape = Shape.NUMBERED if status == 402 else Shape.PAGE
    retry_after = 1 if status in (429, 503) else None
    text = _STATUS_TEXTS.get(status, "internal server error")
    return Refused(status, text, "made by a fault", shape=shape, retry_after=retry_after)


def _error(status: int) -> Response:
    return JSONAnswer({"error": "internal server error"}, status)


def amount_of(cost_fault: str, price: Decimal) -> Decimal:
    """What a settled prediction is billed under a cost fault: a given amount, else its price."""
    name, _, amount = cost_fault.partition(":")
    if name == "fail":
        return Decimal(amount or 0)
    return Decimal(name) if name[0].isdigit() else price
