"""The pool under simulation: which upstream keys rest, written down a second time on purpose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MINUTE_US = 60_000_000


@dataclass
class Rests:
    """The upstream keys that were refused: key → (why, until when, how long, how often in a row)."""

    keys: dict[str, tuple[str, int, int, int]] = field(default_factory=dict)

    def refused(self, key: str, rest: Mapping[str, Any], at: int) -> None:
        """Upstream refused a key."""
        times, ends = 1, 0
        known = self.keys.get(key)
        if known and known[0] == rest["why"]:
            _, ends, length, times = known
            if ends <= at:
                times = times + 1 if at - ends < max(length, MINUTE_US) else 1
        wait = rest["wait_us"] or min(rest["first_us"] * 2 ** (times - 1), rest["longest_us"])
        self.keys[key] = rest["why"], max(ends, at + wait), wait, times

    def able(self, keys: Sequence[str], at: int, *, patient: bool) -> list[str]:
        """Give the keys that may take something."""
        why = {key: self.keys[key][0] for key in keys if key in self.keys and self.keys[key][1] > at}
        served = [key for key in keys if why.get(key, "limited") == "limited"] or list(keys)
        return [key for key in served if why.get(key) != "limited" or not (patient or len(keys) > 1)]
