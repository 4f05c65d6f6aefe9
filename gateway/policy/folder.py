"""Reading a folder of TOML files as one list of entries, wherever in it each entry lies."""

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Any

from gateway.policy.positions import Position
from gateway.policy.problems import Findings, Source, Spot, suggestion

#: The tables that a file may hold, each with the field by which its entries are named.
KINDS = {"account": "id", "tenant": "id", "model": "slug"}
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Entry:
    """One `[[account]]`, `[[tenant]]` or `[[model]]` as TOML gave it; `name` is None where it has no usable one."""

    kind: str
    name: str | None
    raw: dict[str, Any]
    spot: Spot


def read_folder(folder: Path, findings: Findings) -> tuple[Source, ...]:
    """Read every `*.toml` below the folder; files that cannot be read are noted and left out."""
    if not folder.is_dir():
        findings.note(str(folder), "is not a folder; policies are a folder of TOML files")
        return ()
    try:
        files = list(policy_files(folder))
    except OSError as error:  # it changes under our eyes
        findings.note(str(folder), f"cannot be read: {error}")
        return ()
    if not files:
        findings.note(str(folder), "holds no *.toml file; a policy needs at least one [[account]]")
    sources = (_read(path, findings) for path in files)
    return tuple(source for source in sources if source is not None)


def policy_files(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """List the files in one order on every machine, through links to folders as well.

    Hidden ones are skipped: editors keep their copies there, and a mounted Kubernetes ConfigMap keeps a second,
    hidden folder of the same files, into which its visible links lead. A link that leads back up is not followed.
    """
    above = (*above, folder.resolve())
    with os.scandir(folder) as found:
        inside = sorted(found, key=lambda each: each.name)
    for each in inside:
        path = folder / each.name
        if each.name.startswith("."):
            continue
        if each.is_dir():
            if path.resolve() not in above:
                yield from policy_files(path, above)
        elif path.suffix == ".toml":
            yield path


def _read(path: Path, findings: Findings) -> Source | None:
    try:
        return Source(path.as_posix(), path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        findings.note(path.as_posix(), f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        findings.note(path.as_posix(), f"is not UTF-8 (byte {error.start})")
    return None


def read_entries(sources: Iterable[Source], findings: Findings) -> tuple[Entry, ...]:
    """Take the entries out of the files; what is no entry, and the second of a name, is noted and left out."""
    entries: list[Entry] = []
    for source in sources:
        spot = Spot(source, findings)
        for kind, tables in _parse(source, findings).items():
            entries.extend(_entries(kind, tables, spot))
    return tuple(_unique(entries))


def _parse(source: Source, findings: Findings) -> dict[str, Any]:
    try:
        return tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        text = str(error)
        place = _PLACE.search(text)
        where = place.groups() if place and place[1] else _end(source.text)
        findings.note(source.name, f"is not TOML: {_PLACE.sub('', text)}", Position(*map(int, where)))
        return {}


def _end(text: str) -> Sequence[int]:
    """Find where a text ends: its last line that is not empty, behind its last character."""
    lines = text.rstrip().splitlines() or [""]
    return len(lines), len(lines[-1]) + 1


def _entries(kind: str, tables: object, spot: Spot) -> Iterator[Entry]:
    if kind not in KINDS:
        spot.findings.unread.add(spot.source.name)
        known = ", ".join(f"[[{word}]]" for word in KINDS)
        spot.report_name(f"is not a kind of entry; use {known}{suggestion(kind, KINDS)}", kind)
    elif not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        spot.findings.unread.add(spot.source.name)
        spot.report(f"is a list of tables; begin each with [[{kind}]], in two brackets", kind)
    else:
        for position, table in enumerate(tables):
            name = table.get(KINDS[kind])
            usable = name if isinstance(name, str) and name else None
            yield Entry(kind, usable, table, spot.entry(kind, position, usable))


def _unique(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Let the first entry of a name pass and note the others."""
    first: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        other = first.setdefault((entry.kind, entry.name), entry) if entry.name else entry
        if other is entry:
            yield entry
        else:
            entry.spot.report(
                f"is a second {entry.kind} of that {KINDS[entry.kind]}; the first is in {_where(other, entry)}"
            )


def _where(other: Entry, entry: Entry) -> str:
    line = other.spot.source.positions.of_value(other.spot.path).line
    same = other.spot.source.name == entry.spot.source.name
    return f"line {line}" if same else f"{other.spot.source.name}:{line}"


def fingerprint(entries: Iterable[Entry]) -> str:
    """Name the content of a policy by the SHA-256, in hex, of its entries in one order and form.

    It is taken of what the files say, not of what this release makes of it, so that hosts of two releases that read
    the same files agree on the version.
    """
    named = sorted(entries, key=lambda entry: (entry.kind, entry.name or ""))
    content = [[entry.kind, entry.raw] for entry in named]
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), default=_moment)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _moment(value: date | time) -> str:
    """Write the dates and times of TOML, the only values of it that JSON does not have."""
    return value.isoformat()
