"""Memory: a file from which a restarted sandbox knows its predictions, as a real upstream would.

One JSON object a line, only ever appended: what began, and how it ended. A line is with the operating system before
the answer that tells of it is sent, so it survives the death of the process; a power cut may take the last ones,
since a simulation need not wait for the disk. Not remembered are rate limits, uploads, the history of webhooks and
waiting faults.
"""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import msgspec


class MemoryInvalid(Exception):
    """The file cannot be used; says which, and where it is wrong."""


class Begun(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="begun"):
    """A prediction as it was created; times are seconds since 1970."""

    id: str
    key: str
    auth_header: str
    model: str
    input: dict[str, object]
    price: Decimal
    base_url: str
    created_at: float
    ends_at: float
    webhook_url: str
    webhook_secret: str
    sync: bool
    requested_model: str | None = None
    workflow: tuple[str, str] | None = None


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="ended"):
    """The end of a prediction."""

    id: str
    status: str
    at: float
    cost: Decimal
    visibility: str


Event = Begun | Ended


class Memory:
    """The events of one file; without a path it forgets all, which is what a test wants."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path

    def recall(self) -> list[Event]:
        """Read every event, and drop the rest of a line that was cut off in writing. Raises MemoryInvalid."""
        if self._path is None:
            return []
        try:
            whole = _whole_lines(self._path)
        except OSError as error:
            raise MemoryInvalid(f"{self._path} cannot be used: {error.strerror}") from error
        return [_event(self._path, number, line) for number, line in enumerate(whole, 1)]

    def note(self, event: Event) -> None:
        """Append one event. Raises OSError where the disk does not take it."""
        if self._path is not None:
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(event) + b"\n")


def _whole_lines(path: Path) -> Sequence[bytes]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)  # it holds the keys and webhook secrets that clients sent
    with path.open("r+b") as file:
        content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        file.truncate(len(whole))
    return whole.splitlines()


def _event(path: Path, number: int, line: bytes) -> Event:
    try:
        event: Event = msgspec.json.decode(line, type=Event)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"{path}:{number} is no line of a sandbox ({error}); delete the file to begin anew"
        raise MemoryInvalid(message) from error
    return event
