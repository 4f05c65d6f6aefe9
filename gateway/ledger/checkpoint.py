"""The checkpoint: the sums of the journal up to a position that follows its end, moved in small atomic steps."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from gateway.domain.reservation import State
from gateway.domain.window import FOREVER_US, MICROSECONDS
from gateway.ledger.fold import Place
from gateway.ledger.postings import account_prefix
from gateway.ledger.scripts import Script
from gateway.ledger.store import LedgerUnavailable, Store

#: Entries that are added in one step of the store, some milliseconds long.
STEP = 100
#: Entries behind the checkpoint that a seed reads by itself.
TAIL = 500
_HOUR_US, _DAY_US = 3600 * MICROSECONDS, 86400 * MICROSECONDS
#: How long sums by the second, minute and quarter of an hour are good for, and the length of each (microseconds): as
#: long as a window, or a bucket of one, that is open can begin within one. They are kept a little longer.
KEPT_US: Mapping[str, tuple[int, int]] = {
    "s": (MICROSECONDS, 2 * _HOUR_US),
    "m": (60 * MICROSECONDS, 14 * _HOUR_US),
    "q": (900 * MICROSECONDS, 42 * _DAY_US),
}
#: Quarters of an hour of the two days in which a year begins, in one zone or another, are good for that year.
_TURNS, _TURN_US = frozenset(((12, 31), (1, 1))), 368 * _DAY_US


class Position(NamedTuple):
    """How far the checkpoint has come (`rolled`), up to where entries were dropped (`floor`, 0: none; the time of the
    last of them, and how many), and up to where an export was acknowledged."""

    rolled: int
    floor: int
    floor_us: int
    dropped: int
    exported: int

    def without_journal(self) -> "Position":
        """Give the position of one who takes the checkpoint's word for all that it has."""
        return self._replace(floor=self.rolled, floor_us=FOREVER_US)


class Checkpoint:
    """One account's checkpoint. Every method may raise LedgerUnavailable, may be repeated, and be run by several."""

    def __init__(self, store: Store, scripts: Mapping[str, Script], account: str) -> None:
        self._store = store
        self._scripts = scripts
        self._prefix = account_prefix(account)

    async def position(self) -> Position:
        """Read where it stands."""
        return await read_position(self._store, self._prefix)

    async def open_at_floor(self) -> dict[str, State]:
        """Give what had begun and not ended where the journal begins."""
        found = await self._store.read("HGETALL", f"{self._prefix}:open")
        return {id_.decode(): State(state.decode()) for id_, state in found.items()}

    async def acknowledge(self, upto: int) -> int:
        """Remember that the journal was exported up to there; returns the furthest that it ever was.

        Raises ValueError where the journal has not come so far.
        """
        what, _, found = await self._store.run(self._scripts["acknowledge"], self._prefix, {"upto": upto})
        if what == b"beyond":
            raise ValueError(f"the journal ends at {int(found)}; {upto} was never in it")
        return int(found)

    async def roll(self) -> int:
        """Bring the checkpoint up to the end of the journal; returns its position."""
        while True:
            what, _, rolled, sequence = await self._store.run(self._scripts["roll"], self._prefix, {"most": STEP})
            if what == b"gap":
                raise LedgerUnavailable(
                    f"the journal has no entry {int(rolled) + 1}; run: gateway ledger verify, and see what it says"
                )
            if rolled >= sequence:
                return int(rolled)

    async def prune(self, now_us: int) -> None:
        """Drop sums of short spans that are too old for any window that is open."""
        for scope in await self._scopes():
            key = f"{self._prefix}:sum:{scope}"
            cells = await self._store.read("HKEYS", key)
            old = [cell for cell in cells if _is_old(cell.decode(), now_us)]
            for first in range(0, len(old), STEP):
                await self._store.read("HDEL", key, *old[first : first + STEP])

    async def _scopes(self) -> list[str]:
        """Give every scope that a set of postings ever named."""
        postings = await self._store.read("HVALS", f"{self._prefix}:postings")
        return sorted({scope.decode() for text in postings for scope in text.partition(b"\n")[0].split()})

    async def remake(self) -> None:
        """Make it anew, where the journal has every entry there ever was; no gateway may be at work meanwhile."""
        sequence = int(await self._store.read("GET", f"{self._prefix}:seq") or 0)
        request = {"sequence": sequence, "scopes": await self._scopes()}
        what, _ = await self._store.run(self._scripts["unroll"], self._prefix, request)
        if what == b"moved":
            raise LedgerUnavailable("the journal moved on; stop every gateway on this store, and try again")
        await self.roll()


async def read_position(store: Store, prefix: str) -> Position:
    """Read where the checkpoint of an account stands, by the account's prefix. Raises LedgerUnavailable."""
    names = ("rolled", "floor", "floor_at", "dropped", "exported")
    values = await store.read("HMGET", f"{prefix}:checkpoint", *names)
    return Position(*(int(value or 0) for value in values))


def composable(place: Place, now_us: int) -> bool:
    """Tell whether the checkpoint still has the sums of a window: all its edges must lie between kept cells."""
    width_us = place.counter.bucket_us
    if width_us:  # its buckets begin at multiples of their length
        return _good(width_us, place.start_us, now_us)
    return all(_good(edge_us, edge_us, now_us) for edge_us in (place.start_us, place.stop_us))


def _good(unit_us: int, edge_us: int, now_us: int) -> bool:
    """Tell whether the cells are good at an edge that are as long as a unit can be divided by."""
    if unit_us % _DAY_US == 0 or edge_us > now_us:
        return True
    letter = max((each for each in KEPT_US if unit_us % KEPT_US[each][0] == 0), key=lambda each: KEPT_US[each][0])
    return now_us - edge_us <= _good_for_us(letter, edge_us)


def _good_for_us(letter: str, at_us: int) -> int:
    """Say how long a cell is good for that begins at a time."""
    day = datetime.fromtimestamp(at_us // MICROSECONDS, UTC)
    return _TURN_US if letter == "q" and (day.month, day.day) in _TURNS else KEPT_US[letter][1]


def _is_old(cell: str, now_us: int) -> bool:
    letter, at_us = cell[:1], int(cell[1:] or 0) * MICROSECONDS
    return letter in KEPT_US and now_us - at_us > _good_for_us(letter, at_us) + _HOUR_US
