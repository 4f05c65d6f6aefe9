"""The state of one sandbox: every part that its endpoints share."""

from collections import Counter
from random import Random

from starlette.requests import Request

from gateway.sandbox.catalogue import models
from gateway.sandbox.clock import Clock
from gateway.sandbox.config import SandboxConfig
from gateway.sandbox.credentials import Credential, authenticate
from gateway.sandbox.faults import Faults
from gateway.sandbox.limits import RateLog
from gateway.sandbox.memory import Memory
from gateway.sandbox.predictions import Predictions


class Seen:
    """Counts of requests, and the last create as it came in."""

    def __init__(self) -> None:
        self.creates = 0
        self.polls = 0
        self.listings = 0
        self.refused: Counter[int] = Counter()
        """Refused creates by status, those refused by a fault included."""
        self.last_headers: list[tuple[str, str]] = []
        self.last_body = b""

    def create(self, request: Request, body: bytes) -> None:
        """Note a create that arrived whole."""
        self.creates += 1
        self.last_headers = request.headers.items()
        self.last_body = body


class Simulation:
    """What all endpoints of one sandbox share."""

    def __init__(self, config: SandboxConfig, clock: Clock) -> None:
        self.config = config
        self.clock = clock
        self.models = models()
        self.seen = Seen()
        self.faults = Faults(config)
        self.chance = Random(config.seed)
        """Decides what only a run decides, such as how long its output becomes."""
        self.pace = Random(config.seed)
        self.rate = RateLog(config.creates_per_minute)
        self.predictions = Predictions(lambda: self.faults.next_name("costs"), Memory(config.state), self.models)

    def settled_now(self) -> float:
        """The time, once everything that has ended by then is settled."""
        now = self.clock.time()
        self.predictions.settle_due(now)
        return now

    def run_seconds(self, slug: str) -> float:
        """How long the next run of a model takes."""
        least, most = self.config.run_seconds.get(slug, (self.config.seconds, self.config.seconds))
        return least if least == most else self.pace.uniform(least, most)

    def authenticate(self, request: Request) -> Credential:
        """The key of a request. Refuses with 401."""
        return authenticate(request.headers, self.config.key)
