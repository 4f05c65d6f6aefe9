"""The ledger's verbs: Lua files beside this one, each joined with the clock, the shared parts and the state table."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from gateway.domain.reservation import TRANSITIONS

VERBS = (
    "enact",
    "attend",
    "reopen",
    "reserve",
    "seed",
    "confirm",
    "doubt",
    "finish",
    "settle",
    "correct",
    "release",
    "absent",
    "claim",
    "postpone",
    "call",
    "waiting",
    "look",
    "seen",
    "alerts",
    "watch",
    "sweep",
    "roll",
    "unroll",
    "trim",
    "acknowledge",
    "spent",
    "turn",
    "audit",
    "restore",
    "notice",
    "put",
    "post",
    "posted",
    "repost",
    "refused",
)
#: What every verb is given before its own text, and what those that add the journal up are given too.
_SHARED = ("common", "counters", "pool", "queue", "life", "outbox")
_FOLDING = frozenset(("seed", "roll", "unroll", "trim", "acknowledge", "spent", "audit"))


@dataclass(frozen=True, slots=True)
class Script:
    """One verb as the store runs it; `sha` is the name under which the store keeps it once it was sent."""

    verb: str
    text: bytes
    sha: str


def load_scripts(clock: str | None = None) -> dict[str, Script]:
    """Read every verb, by name.

    `clock` is Lua that defines `store_time()`, for a simulator; without it the store's own TIME is used.
    """
    folder = files("gateway.ledger") / "scripts"
    read = cache(lambda name: (folder / f"{name}.lua").read_text())
    shared = "\n".join((clock or read("clock"), _state_table(), *map(read, _SHARED)))

    def text(verb: str) -> str:
        own = (read("fold"), read(verb)) if verb in _FOLDING else (read(verb),)
        return "\n".join((shared, *own))

    return {verb: _script(verb, text(verb)) for verb in VERBS}


def _script(verb: str, text: str) -> Script:
    raw = text.encode()
    # The store names a script by its SHA-1; nothing here rests on that digest's strength.
    return Script(verb, raw, hashlib.sha1(raw, usedforsecurity=False).hexdigest())


def _state_table() -> str:
    ways = (f"['{state}:{event}'] = '{to}'" for (state, event), to in TRANSITIONS.items())
    return f"local NEXT = {{ {', '.join(ways)} }}"
