"""Reading a folder of TOML files as one list of entries, wherever in it each entry lies."""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Any

from gateway.policy.problems import Problem, Spot, suggestion

#: The tables that a file may hold, each with the field by which its entries are named.
KINDS = {"account": "id", "tenant": "id", "model": "slug"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One `[[account]]`, `[[tenant]]` or `[[model]]` as TOML gave it; `name` is None where it has no usable one."""

    kind: str
    name: str | None
    raw: dict[str, Any]
    spot: Spot


def read_folder(folder: Path, found: list[Problem]) -> tuple[Entry, ...]:
    """Read every `*.toml` below the folder; files that cannot be read are noted and left out."""
    if not folder.is_dir():
        found.append(Problem(str(folder), "", "is not a folder; policies are a folder of TOML files"))
        return ()
    try:
        files = list(policy_files(folder))
    except OSError as error:  # it changes under our eyes
        found.append(Problem(str(folder), "", f"cannot be read: {error}"))
        return ()
    if not files:
        found.append(Problem(str(folder), "", "holds no *.toml file; a policy needs at least one [[account]]"))
    entries: list[Entry] = []
    for path in files:
        spot = Spot(path.as_posix(), "", found)
        for kind, tables in _read(path, spot).items():
            entries.extend(_entries(kind, tables, spot))
    return tuple(_unique(entries))


def policy_files(folder: Path) -> Iterator[Path]:
    """List the files in one order on every machine.

    Hidden ones are skipped: editors keep their copies there, and a mounted Kubernetes ConfigMap keeps a second,
    hidden folder of the same files.
    """
    for path in sorted(folder.rglob("*.toml")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and not path.is_dir():
            yield path


def _read(path: Path, spot: Spot) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        spot.report(f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        spot.report(f"is not UTF-8 (byte {error.start})")
    except tomllib.TOMLDecodeError as error:
        spot.report(f"is not TOML: {error}")
    return {}


def _entries(kind: str, tables: object, spot: Spot) -> Iterator[Entry]:
    if kind not in KINDS:
        known = ", ".join(f"[[{word}]]" for word in KINDS)
        spot.report(f"{kind!r} is not a kind of entry; use {known}{suggestion(kind, KINDS)}")
    elif not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        spot.report(f"{kind!r} is a list of tables; begin each with [[{kind}]], in two brackets")
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
            where = "this file" if other.spot.file == entry.spot.file else other.spot.file
            entry.spot.report(f"is a second {entry.kind} of that {KINDS[entry.kind]}; the first is in {where}")


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
