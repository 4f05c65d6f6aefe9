"""Recent: a bounded memory of what was used of late."""

from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")


def _one(_value: object) -> int:
    return 1


class Recent(Generic[V]):
    """Remembers by name what was put or asked for last: never more than `most` and one thing, by what they `weigh`,
    and of the last used half of that everything.

    Two dictionaries take turns, the older of which is forgotten as a whole: to know which thing was used least would
    take half as much memory again.
    """

    def __init__(self, most: int, weigh: Callable[[V], int] = _one) -> None:
        self._most = most // 2
        self._weigh = weigh
        self._weight = 0
        self._new: dict[str, V] = {}
        self._old: dict[str, V] = {}

    def get(self, name: str) -> V | None:
        """Give what was put last by this name, and keep it for longer."""
        found = self._new.get(name)
        if found is None and (found := self._old.get(name)) is not None:
            self.put(name, found)
        return found

    def put(self, name: str, value: V) -> None:
        """Remember a thing in place of the one before."""
        before = self._new.get(name)
        self._new[name] = value
        self._weight += self._weigh(value) - (0 if before is None else self._weigh(before))
        if self._weight > self._most:
            self._old, self._new, self._weight = self._new, {}, 0
