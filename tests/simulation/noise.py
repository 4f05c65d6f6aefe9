"""Noise: events that come again, late or out of place. None of them may change anything."""

from collections import defaultdict, deque
from typing import Any

import msgspec

from gateway.ledger.failures import StoreError
from simulation.chaos import Chaos
from simulation.reference import WAYS
from simulation.store import PREFIX, SimServer
from simulation.violation import check

#: Verbs that a network may deliver a second time at any age; `absent` is a reading, and tells of its own time.
REPLAYED = frozenset(("reserve", "seed", "confirm", "doubt", "finish", "settle", "correct", "release", "watch"))


class Noise:
    """Runs scripts on the server at once, so that what it sees of a reservation is still so when they run."""

    def __init__(self, server: SimServer, chaos: Chaos) -> None:
        self._server, self._chaos = server, chaos
        self._seen: defaultdict[str, deque[tuple[Any, ...]]] = defaultdict(lambda: deque(maxlen=50))
        self._numbers = 0
        self._making = False

    def saw(self, verb: str, command: tuple[Any, ...]) -> None:
        """Remember a script that was run."""
        if verb in REPLAYED and not self._making:  # an event that never was must not come later either
            self._seen[verb].append(command[2:])

    def make(self) -> None:
        """Repeat something, of a verb that is rare as often as of any other, or try what the table has no way for."""
        chance = self._chaos.random
        if chance.random() < 0.5 and self._seen:
            verb, seen = chance.choice(list(self._seen.items()))
            self._run(verb, *chance.choice(list(seen)[-3:] if chance.random() < 0.5 else seen))
            return
        ref = self._server.witness.ref
        event = chance.choice(("confirm", "doubt", "finish", "settle", "release"))
        held = chance.choice(list(ref.all.values()) or [None])
        if held is None:
            return
        taken = chance.choice([each for each, owner in ref.owners.items() if ref.find(owner)] or [""])
        stolen = event == "confirm" and held.live and taken and ref.owners[taken] != held.id
        if (held.state, event) not in WAYS or stolen:
            self._numbers += 1
            prediction = taken if stolen else f"noise-{self._numbers}"
            request = {
                "id": held.id,
                "prediction": prediction,
                "due_us": 0,
                "status": 0,
                "reason": "noise",
                "cost": 1,
                "how": "exact",
                "sent": False,
                "keep_s": 60,
                "idem_s": 60,
                "grave_s": 60,
            }
            reply = self._run(event, 2, PREFIX, f"{PREFIX}:whole", msgspec.msgpack.encode(request), b"")
            right = (b"no_way", b"taken") if ref.find(held.id) else (b"no_way", b"unknown", b"buried")
            check("repeat", reply[0] in right, event, "of", held, "answered", reply)

    def _run(self, verb: str, *rest: Any) -> Any:
        script = self._server.scripts[verb]
        self._making = True
        try:
            return self._server.run("EVALSHA", script.sha, *rest)
        except StoreError:  # it forgot the script
            return self._server.run("EVAL", script.text, *rest)
        finally:
            self._making = False
