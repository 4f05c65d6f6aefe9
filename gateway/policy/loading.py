"""Loading a folder of policy files: all of it, or an error that says all that is wrong."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from msgspec import Struct

from gateway.policy.accounts import compile_account
from gateway.policy.decoding import decode
from gateway.policy.documents import AccountDocument, TenantDocument
from gateway.policy.folder import Entry, fingerprint, read_entries, read_folder
from gateway.policy.linking import Family
from gateway.policy.policy import Policy
from gateway.policy.problems import Findings, PolicyInvalid, Problem, Source, Spot
from gateway.policy.tenants import compile_tenant
from gateway.policy.warnings import find_warnings
from gateway.pricing import Model

T = TypeVar("T", bound=Struct)


def load_policy(folder: Path) -> Policy:
    """Load every `*.toml` below a folder as one policy.

    Raises PolicyInvalid with every problem that was found; files are named relative to how the folder was given.
    """
    findings = Findings()
    return load_sources(read_folder(folder, findings), str(folder), findings)


def load_sources(sources: Iterable[Source], name: str, findings: Findings) -> Policy:
    """Load files that were read already as one policy; `name` is that of the whole. Raises PolicyInvalid."""
    return _compile(read_entries(sources, findings), name, findings)


def review_policy(folder: Path, now_us: int) -> tuple[Policy, tuple[Problem, ...]]:
    """Load a folder, and tell as well what is valid in it and yet surely not meant. Raises PolicyInvalid.

    `now_us` is the time in microseconds since the epoch, for what has expired.
    """
    findings = Findings()
    entries = read_entries(read_folder(folder, findings), findings)
    policy = _compile(entries, str(folder), findings)
    return policy, find_warnings(entries, policy, now_us)


def _compile(entries: Sequence[Entry], name: str, findings: Findings) -> Policy:
    """Compile entries to a policy; `name` is that of the whole.

    Raises PolicyInvalid with every problem, those that were found before among them.
    """
    whole = not findings.unread  # else what an entry refers to may be in what could not be read
    if whole and not _names(entries, "account"):
        findings.note(name, "has no [[account]]; a policy needs at least one")
    accounts = {each.id: compile_account(each, spot) for each, spot in _decoded(entries, "account", AccountDocument)}
    tenants = {each.id: compile_tenant(each, spot) for each, spot in _decoded(entries, "tenant", TenantDocument)}
    models = {each.slug: each for each, _ in _decoded(entries, "model", Model)}
    family = Family(tenants, _names(entries, "tenant"), _names(entries, "account"), whole=whole)
    family.check()
    if findings.problems:
        raise PolicyInvalid(findings.problems)
    linked, keyring = family.link(accounts)
    return Policy(fingerprint(entries), MappingProxyType(accounts), linked, MappingProxyType(models), keyring)


def _names(entries: Sequence[Entry], kind: str) -> frozenset[str]:
    return frozenset(entry.name for entry in entries if entry.kind == kind and entry.name)


def _decoded(entries: Sequence[Entry], kind: str, document: type[T]) -> Iterator[tuple[T, Spot]]:
    for entry in entries:
        decoded = decode(entry.raw, document, entry.spot) if entry.kind == kind else None
        if decoded is not None:
            yield decoded, entry.spot
