"""The journal as the scripts write it, put down a second time on purpose: nothing here is read from the gateway."""

from collections.abc import Mapping
from typing import Any

import msgspec

#: Letter → event.
LETTERS = {"r": "reserve", "c": "confirm", "d": "doubt", "f": "finish", "s": "settle", "x": "release", "k": "correct"}
LETTERS |= {"e": "close", "o": "reopen"}
#: Event → the fields behind letter, time and id.
FIELDS = {
    "reserve": ("labels", "model", "estimate", "hold", "grants", "facts"),
    "confirm": ("prediction",),
    "doubt": ("reason",),
    "finish": ("status",),
    "settle": ("cost", "how", "labels", "model", "estimate", "hold", "admitted"),
    "release": ("reason", "labels", "model", "estimate", "hold", "admitted"),
    "close": ("survived", "why"),
    "reopen": ("by", "reason"),
    "correct": ("more", "cost", "labels", "model", "admitted", "predictions"),
}
LABELS = ("tenant", "key", "model", "price", "postings")


def read_labels(texts: Mapping[bytes, bytes]) -> dict[int, dict[str, str]]:
    """Read the hash of labels: number → what they say."""
    return {int(n): dict(zip(LABELS, msgspec.msgpack.decode(text), strict=True)) for n, text in texts.items()}


def read_entry(id_: bytes, fields: Mapping[bytes, bytes], labels: Mapping[int, dict[str, str]]) -> dict[str, Any]:
    """Read an entry of the stream, its labels resolved."""
    letter, at, id, *data = msgspec.msgpack.decode(fields[b"e"])
    event = LETTERS[letter]
    found = dict(zip(FIELDS[event], data, strict=True))
    if "labels" in found:
        found = labels[found["labels"]] | {name: value for name, value in found.items() if name != "model" or value}
    return {"seq": int(id_.partition(b"-")[0]), "event": event, "at": at, "id": id} | found
