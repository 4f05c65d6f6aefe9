"""Warnings: what is valid in a policy, and yet surely not what its author meant."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from gateway.domain.limit import Limit, LimitKind, Mode
from gateway.domain.money import format_usd
from gateway.domain.window import MICROSECONDS, MonthFrom, Rolling, Window, WindowName, in_words
from gateway.policy.folder import Entry
from gateway.policy.policy import Policy, Principal, Tenant
from gateway.policy.problems import Findings, Problem, Spot, suggestion
from gateway.policy.rules import read_instant
from gateway.pricing import DERIVED, Model

#: Into which longer windows a window fits whole; a week may lie in two months, and in two years.
_LONGER: Mapping[Window, Collection[Window]] = {
    WindowName.MINUTE: (WindowName.HOUR, WindowName.DAY, WindowName.WEEK, WindowName.MONTH, WindowName.YEAR),
    WindowName.HOUR: (WindowName.DAY, WindowName.WEEK, WindowName.MONTH, WindowName.YEAR),
    WindowName.DAY: (WindowName.WEEK, WindowName.MONTH, WindowName.YEAR),
    WindowName.MONTH: (WindowName.YEAR,),
}
_AMOUNT_FIELD = {LimitKind.BUDGET: "usd", LimitKind.COUNT: "max", LimitKind.CONCURRENCY: "max"}


def find_warnings(entries: Sequence[Entry], policy: Policy, now_us: int) -> tuple[Problem, ...]:
    """Look through a valid policy and the entries that it was made of; `now_us` is microseconds since the epoch."""
    findings = Findings()
    keys = {(each.tenant.id, each.key): each for each in policy.keyring.values()}
    for entry in entries:
        if entry.kind == "model" and entry.name is not None:
            _check_probe(
                policy.models[entry.name], Spot(entry.spot.source, findings, entry.spot.place, entry.spot.path)
            )
        if entry.kind == "tenant" and entry.name is not None:
            spot = Spot(entry.spot.source, findings, entry.spot.place, entry.spot.path)
            tenant = policy.tenants[entry.name]
            _check_models(tenant, entry, policy, spot)
            _check_guards(tenant, entry, policy, spot)
            _check_grants(entry.raw.get("grant", ()), now_us, spot)
            _check_limits(tenant.limits, entry.raw.get("limit", ()), tenant, spot)
            for position, key in enumerate(entry.raw.get("key", ())):
                principal = keys[tenant.id, key["id"]]
                at = spot.entry("key", position, key["id"])
                _check_expiry(principal, now_us, at)
                _check_grants(key.get("grant", ()), now_us, at)
                _check_limits(principal.limits, key.get("limit", ()), tenant, at)
    return tuple(sorted(findings.problems, key=lambda problem: problem.order))


def _check_probe(model: Model, spot: Spot) -> None:
    """Tell of a look at images that no price asks for."""
    if model.probe and not model.looks:
        spot.report("changes nothing: this price does not depend on the size of input images", "probe")


def _check_models(tenant: Tenant, entry: Entry, policy: Policy, spot: Spot) -> None:
    """Tell of globs that match nothing; where unpriced models are let through, they may match what is not named."""
    if tenant.account.unpriced is not None:
        return
    for position, glob in enumerate(entry.raw.get("models", ())):
        if not any(fnmatchcase(slug, glob) for slug in policy.models):
            near = suggestion(glob, policy.models)
            spot.report(f"{glob!r} matches no model of the policy{near}", "models", item=position)
    if "models" in entry.raw and not spot.at_fault("models") and not any(map(tenant.allows, policy.models)):
        above = ", ".join(tenant.chain[1:])
        spot.report(f"allows no model that the lists of its parents ({above}) allow too", "models")


def _check_guards(tenant: Tenant, entry: Entry, policy: Policy, spot: Spot) -> None:
    """Tell of a parameter or quantity that no model has, where one is so like it that it was surely meant."""
    models = [model for model in policy.models.values() if tenant.allows(model.slug)]
    known = DERIVED.union(*(model.input for model in models), *(model.quantity for model in models))
    for position, guard in enumerate(entry.raw.get("guard", ())):
        near = suggestion(guard["parameter"], known)
        if near and guard["parameter"] not in known:
            at = spot.entry("guard", position, guard["parameter"])
            at.report(f"no model that the tenant may use has a parameter or quantity of that name{near}", "parameter")


def _check_expiry(principal: Principal, now_us: int, spot: Spot) -> None:
    if principal.expires_us is not None and principal.closed(now_us) == "expired":
        expired = datetime.fromtimestamp(principal.expires_us // MICROSECONDS, UTC).isoformat().replace("+00:00", "Z")
        spot.report(f"expired at {expired} and opens nothing; remove the key, or set a later time", "expires")


def _check_grants(written: Sequence[dict[str, object]], now_us: int, owner: Spot) -> None:
    for position, raw in enumerate(written):
        spot = owner.entry("grant", position, None)
        until_us = read_instant(raw["until"], "until", spot)
        if until_us is not None and until_us <= now_us:
            spot.report("is over and raises nothing; remove the grant, or set a later time", "until")


def _check_limits(limits: Sequence[Limit], written: Sequence[dict[str, object]], tenant: Tenant, owner: Spot) -> None:
    """Tell of limits that can never be reached, since another that binds the same creates is reached before.

    `limits` bind whoever the `written` ones belong to, those themselves first and in their order.
    """
    for position, (limit, raw) in enumerate(zip(limits, written, strict=False)):
        reason = next(_tighter(limit, limits), None) or _upstream_is_tighter(limit, tenant)
        if reason:
            field = _AMOUNT_FIELD.get(limit.kind, "per_minute" if "per_minute" in raw else "per_second")
            spot = owner.entry("limit", position, raw.get("id"))
            spot.report(f"can never be reached, since {reason}", field)


def _tighter(limit: Limit, limits: Sequence[Limit]) -> Iterator[str]:
    for other in limits:
        if other is not limit and other.kind is limit.kind and other.mode is Mode.ENFORCE:
            if limit.kind is LimitKind.RATE:
                tighter = limit.interval_us < other.interval_us and limit.amount >= other.amount
            else:
                tighter = limit.amount > other.most and _fits_into(limit, other)
            if tighter:
                yield f"limit {other.id!r} of {other.scope} is {_said(other)}"


def _fits_into(limit: Limit, other: Limit) -> bool:
    """Tell whether each window of a limit lies whole in one of the other's."""
    if limit.window is None or other.window is None or other.window is WindowName.TOTAL:
        return limit.window == other.window or other.window is WindowName.TOTAL
    same_zone = limit.zone is not None and other.zone is not None and limit.zone.key == other.zone.key
    if isinstance(limit.window, Rolling) and isinstance(other.window, Rolling):
        return limit.window.minutes <= other.window.minutes
    if isinstance(other.window, MonthFrom):
        return same_zone and limit.window in (WindowName.MINUTE, WindowName.HOUR, WindowName.DAY, other.window)
    return same_zone and (limit.window == other.window or other.window in _LONGER.get(limit.window, ()))


def _upstream_is_tighter(limit: Limit, tenant: Tenant) -> str | None:
    keys = tenant.account.keys
    slots, per_minute = sum(key.concurrent for key in keys), sum(key.creates_per_minute for key in keys)
    if limit.kind is LimitKind.CONCURRENCY and limit.amount > slots:
        return f"the upstream keys of account {tenant.account.id!r} take {slots} predictions at once"
    if (
        limit.kind is LimitKind.RATE
        and per_minute * limit.interval_us < 60 * MICROSECONDS
        and limit.amount >= per_minute
    ):
        return f"the upstream keys of account {tenant.account.id!r} take {per_minute} creates a minute"
    return None


def _said(limit: Limit) -> str:
    window = in_words(limit.window) if limit.window else ""
    if limit.kind is LimitKind.BUDGET:
        return f"{format_usd(limit.amount)} USD {window}"
    if limit.kind is LimitKind.COUNT:
        return f"{limit.amount} {window}"
    if limit.kind is LimitKind.CONCURRENCY:
        return f"{limit.amount} at once"
    return f"one each {limit.interval_us / MICROSECONDS:g} s, {limit.amount} at once"
