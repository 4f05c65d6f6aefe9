"""Changing the keys of a tenant in the file that holds them: what is written is a valid policy, or nothing is."""

import difflib
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gateway.policy.editing import CannotEdit, Text
from gateway.policy.folder import Entry, read_entries, read_folder
from gateway.policy.keys import moment_toml
from gateway.policy.loading import load_sources
from gateway.policy.policy import Policy
from gateway.policy.positions import Path as Way
from gateway.policy.problems import Findings, PolicyInvalid, Source, suggestion


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of one file, not yet written."""

    path: Path
    before: str
    after: str

    def shown(self) -> str:
        """Show the change as a unified diff."""
        before, after, name = self.before.splitlines(), self.after.splitlines(), str(self.path)
        return "\n".join((*difflib.unified_diff(before, after, name, name, n=2, lineterm=""), ""))

    def write(self) -> None:
        """Replace the file as a whole, so that a gateway that follows it never reads half. Raises OSError."""
        target = self.path.resolve()
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(self.after)
                os.fchmod(file.fileno(), target.stat().st_mode & 0o7777)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def add_key(folder: Path, tenant: str, toml: str) -> Edit:
    """Write a new key, given as TOML, below its tenant. Raises PolicyInvalid or CannotEdit, as all of these do."""
    return _edit(folder, tenant, lambda text, entry: text.append(entry.spot.path, toml))


def rotate_key(folder: Path, tenant: str, key: str, toml: str, until: datetime) -> Edit:
    """Write a second key with the limits of a first one, which expires at `until` if it does not before."""

    def change(text: Text, entry: Entry) -> None:
        at = _find(entry, key)
        limits = text.tables_below(at)
        text.append(at, "\n\n".join(filter(None, (toml.rstrip("\n"), limits))))
        text.set_field(at, "expires", moment_toml(until), after="sha256")

    return _edit(folder, tenant, change)


def revoke_key(folder: Path, tenant: str, key: str) -> Edit:
    """Close a key; it stays known as revoked."""
    return _edit(
        folder, tenant, lambda text, entry: text.set_field(_find(entry, key), "revoked", "true", after="sha256")
    )


def _edit(folder: Path, tenant: str, change: Callable[[Text, Entry], None]) -> Edit:
    """Change the file of a tenant, and see that the folder is a policy before and after."""
    findings = Findings()
    sources = read_folder(folder, findings)
    entries = read_entries(sources, findings)
    load_sources(sources, str(folder), findings)
    entry = _tenant(entries, tenant)
    path = Path(entry.spot.source.name)
    before = path.read_bytes().decode()
    mark = "\ufeff" if before.startswith("\ufeff") else ""
    text = Text(before.removeprefix(mark))
    change(text, entry)
    _check(sources, Source(entry.spot.source.name, text.text), folder)
    return Edit(path, before, mark + text.text)


def _check(sources: Sequence[Source], changed: Source, folder: Path) -> Policy:
    others = [source for source in sources if source.name != changed.name]
    try:
        return load_sources([*others, changed], str(folder), Findings())
    except PolicyInvalid as invalid:
        raise CannotEdit(f"the change does not fit into {changed.name} ({invalid}); change it by hand") from invalid


def _tenant(entries: Sequence[Entry], tenant: str) -> Entry:
    tenants = {entry.name: entry for entry in entries if entry.kind == "tenant" and entry.name}
    if tenant not in tenants:
        raise CannotEdit(f"no tenant {tenant!r} in the policy files{suggestion(tenant, tenants)}")
    return tenants[tenant]


def _find(entry: Entry, key: str) -> Way:
    ids = [each["id"] for each in entry.raw.get("key", ())]
    if key not in ids:
        raise CannotEdit(
            f"tenant {entry.name!r} has no key {key!r}{suggestion(key, ids)}; it has {', '.join(ids) or 'none'}"
        )
    return (*entry.spot.path, "key", ids.index(key))
