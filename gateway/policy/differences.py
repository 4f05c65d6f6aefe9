"""Differences: what one policy changes about another, for whom, in words."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import msgspec

from gateway.domain.instants import instant
from gateway.domain.limit import Guard, Limit, Mode, tenant_scope
from gateway.domain.money import format_usd
from gateway.policy.limit_words import grant_words, limit_name, limit_words
from gateway.policy.policy import Account, AlertAddress, Policy, Principal, Tenant
from gateway.pricing import Model

T = TypeVar("T")
_TOLD_APART = frozenset(("id", "keys", "limits", "unpriced", "alerts"))


@dataclass(frozen=True, slots=True)
class Change:
    """One change: of what (`limit`, `tenant`, …), whose, and in words.

    A limit is there as it was and as it will be, for whoever wants to compare it with its use; `also` are the tenants
    below its owner, whom it binds too.
    """

    what: str
    name: str
    text: str
    old_limit: Limit | None = None
    new_limit: Limit | None = None
    also: tuple[str, ...] = ()


def differences(old: Policy, new: Policy) -> tuple[Change, ...]:
    """Give every change from an old policy to a new one: accounts, tenants, keys, limits, models."""
    return (
        *_named("account", old.accounts, new.accounts, _account_changes),
        *_named("tenant", old.tenants, new.tenants, lambda a, b: _tenant_changes(a, b, old, new)),
        *_named("key", _keys(old), _keys(new), _key_changes, "it opens nothing any more"),
        *(replace(change, also=_below(change, old, new)) for change in _limit_changes(_limits(old), _limits(new))),
        *_named("model", old.models, new.models, _model_changes),
    )


def _named(
    what: str,
    old: Mapping[str, T],
    new: Mapping[str, T],
    changed: Callable[[T, T], Iterable[str]],
    loss: str = "",
) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        if name not in new:
            yield Change(what, name, ": ".join(filter(None, ("removed", loss))))
        elif name not in old:
            yield Change(what, name, "added")
        else:
            for text in changed(old[name], new[name]):
                yield Change(what, name, text)


def _account_changes(old: Account, new: Account) -> Iterator[str]:
    for field in fields(Account):
        if field.name not in _TOLD_APART:
            yield from _arrow(field.name, getattr(old, field.name), getattr(new, field.name))
    yield from _arrow(
        "unpriced", *("deny" if each is None else f"{format_usd(each)} USD" for each in (old.unpriced, new.unpriced))
    )
    yield from _arrow("alerts go to", *(_addresses(each.alerts) for each in (old, new)))
    before, after = ({key.id: key for key in account.keys} for account in (old, new))
    for id_ in sorted({*before, *after}):
        if id_ not in after:
            yield f"upstream key {id_}: removed; what runs on it is still polled by it"
        elif id_ not in before:
            yield f"upstream key {id_}: added"
        else:
            for field in fields(after[id_]):
                values = getattr(before[id_], field.name), getattr(after[id_], field.name)
                yield from _arrow(f"upstream key {id_}: {field.name}", *values)


def _tenant_changes(old: Tenant, new: Tenant, before: Policy, after: Policy) -> Iterator[str]:
    yield from _arrow("account", old.account.id, new.account.id)
    yield from _arrow("parents", " → ".join(old.chain[1:]) or "none", " → ".join(new.chain[1:]) or "none")
    yield from _arrow("weight", old.weight, new.weight)
    yield from _arrow("alerts go to", *(_addresses(each.alerts) for each in (old, new)))
    lost, gained = _usable(before, old), _usable(after, new)
    for text, models in (("may no longer use", lost - gained), ("may now use", gained - lost)):
        if models:
            yield f"{text} {', '.join(sorted(models))}"
    yield from _guard_changes(old.guards, new.guards)


def _addresses(alerts: Iterable[AlertAddress]) -> str:
    return ", ".join(map(str, alerts)) or "none"


def _usable(policy: Policy, tenant: Tenant) -> set[str]:
    return {slug for slug in policy.models if tenant.allows(slug)}


def _guard_changes(old: tuple[Guard, ...], new: tuple[Guard, ...]) -> Iterator[str]:
    for text, guards in (("no longer guarded", set(old) - set(new)), ("guarded", set(new) - set(old))):
        for guard in sorted(guards, key=str):
            yield f"{text}: {_guard_words(guard)}"


def _guard_words(guard: Guard) -> str:
    bounds = [f"{name} {value}" for name, value in (("min", guard.min), ("max", guard.max)) if value is not None]
    bounds += [f"one of {', '.join(map(str, guard.one_of))}"] if guard.one_of is not None else []
    bounds += ["forbidden"] if guard.forbidden else []
    shadow = ", shadow" if guard.mode is Mode.SHADOW else ""
    return f"{guard.parameter} {', '.join(bounds)} (by {guard.scope}{shadow})"


def _keys(policy: Policy) -> dict[str, tuple[bytes, Principal]]:
    return {f"{each.tenant.id}/{each.key}": (digest, each) for digest, each in policy.keyring.items()}


def _key_changes(old: tuple[bytes, Principal], new: tuple[bytes, Principal]) -> Iterator[str]:
    (digest, before), (fresh, after) = old, new
    if digest != fresh:
        yield "another secret; the old one opens nothing any more"
    if before.revoked != after.revoked:
        yield "revoked: it opens nothing any more" if after.revoked else "no longer revoked"
    yield from _arrow("expires", instant(before.expires_us) or "never", instant(after.expires_us) or "never")


def _limits(policy: Policy) -> dict[str, Limit]:
    return {limit_name(limit): limit for account in policy.accounts for limit in policy.limits(account)}


def _limit_changes(old: Mapping[str, Limit], new: Mapping[str, Limit]) -> Iterator[Change]:
    """Compare limits by their names, and what has another name by what it counts."""
    same = {name for name in old.keys() & new.keys() if _counts(old[name])[:3] == _counts(new[name])[:3]}
    gone = {_counts(limit): name for name, limit in old.items() if name not in same}
    come = {_counts(limit): name for name, limit in new.items() if name not in same}
    renamed = {gone[counted]: come[counted] for counted in gone.keys() & come.keys()}
    for name in sorted({*old, *new}):
        if name in same:
            yield from _amended(name, old[name], new[name])
        elif name in renamed:
            text = f"renamed to {renamed[name]}, with its use"
            yield Change("limit", name, text, old[name], new[renamed[name]])
            yield from _amended(renamed[name], old[name], new[renamed[name]])
        if name in gone.values() and name not in renamed:
            yield Change("limit", name, f"removed: {limit_words(old[name])}", old[name], None)
        if name in come.values() and name not in renamed.values():
            yield Change("limit", name, f"added: {limit_words(new[name])}", None, new[name])


def _below(change: Change, old: Policy, new: Policy) -> tuple[str, ...]:
    """Name the tenants that a changed limit binds beside its owner, by the new policy or, if it goes, by the old."""
    policy, limit = (new, change.new_limit) if change.new_limit else (old, change.old_limit)
    if limit is None:
        return ()
    below = (tenant.id for tenant in policy.tenants.values() if limit in tenant.limits)
    return tuple(sorted(id_ for id_ in below if tenant_scope(id_) != limit.scope))


def _counts(limit: Limit) -> tuple[object, ...]:
    """Say what makes two limits the same one, whatever it is called and however much it allows."""
    return limit.scope, limit.kind, limit.window, limit.own_mode or limit.mode


def _amended(name: str, old: Limit, new: Limit) -> Iterator[Change]:
    if limit_words(old) != limit_words(new):
        yield Change("limit", name, f"{limit_words(old)} → {limit_words(new)}", old, new)
    before, after = ({grant_words(limit, grant) for grant in limit.grants} for limit in (old, new))
    for text, grants in (("no longer", before - after), ("new", after - before)):
        for grant in sorted(grants):
            yield Change("limit", name, f"{text}: {grant}", old, new)
    for text in _arrow("alert_at", list(old.alert_at), list(new.alert_at)):
        yield Change("limit", name, text, old, new)


def _model_changes(old: Model, new: Model) -> Iterator[str]:
    before, after = (dict(_flat(msgspec.to_builtins(model, str_keys=True))) for model in (old, new))
    for field in sorted({*before, *after}):
        yield from _arrow(field, before.get(field, "none"), after.get(field, "none"))


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _flat(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        for position, each in enumerate(value):
            yield from _flat(each, f"{path}[{position}]")
    else:
        yield path, value


def _arrow(field: str, old: object, new: object) -> Iterator[str]:
    if old != new:
        yield f"{field}: {_shown(old)} → {_shown(new)}"


def _shown(value: object) -> str:
    return "none" if value is None else str(value)
