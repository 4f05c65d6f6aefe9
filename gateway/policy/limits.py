"""Compiling limits and guards: from what a file says to what the ledger counts."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

from gateway.domain.limit import Guard, Limit, LimitKind, Mode
from gateway.domain.window import MonthFrom, Rolling, Window, WindowName, in_words, parse_rolling
from gateway.policy.documents import (
    AnyLimitDocument,
    BudgetDocument,
    ConcurrencyDocument,
    CountDocument,
    GrantDocument,
    GuardDocument,
    RateDocument,
    WindowedDocument,
)
from gateway.policy.grants import with_grants
from gateway.policy.problems import Spot
from gateway.policy.rules import check_finite, check_id, read_money

_MINUTE_US = 60_000_000
_SECOND_US = 1_000_000
#: A rate's clock runs ahead of the present by at most the burst's drain time, and must stay exact in a double.
_MOST_DRAIN_US = 2**52
#: The fields that decide with which other limit one shares its counter.
_COUNTED_BY = ("window", "month_starts", "rolling", "per_minute", "per_second", "mode")


def compile_limits(
    documents: Sequence[AnyLimitDocument],
    grants: Sequence[GrantDocument],
    scope: str,
    zone: ZoneInfo,
    owner: Spot,
    mode: Mode = Mode.ENFORCE,
) -> tuple[Limit, ...]:
    """Compile the limits of one scope and the grants that raise them; `zone` is where its calendar windows begin.

    `mode` is that of the owner: in a shadow every limit is one.
    """
    spots = [owner.entry("limit", position, document.id) for position, document in enumerate(documents)]
    limits = tuple(_limit(document, scope, zone, spot) for document, spot in zip(documents, spots, strict=True))
    _check_clashes(limits, spots)
    limits = with_grants(limits, grants, owner)
    return tuple(_shadowed(limit) for limit in limits) if mode is Mode.SHADOW else limits


def _shadowed(limit: Limit) -> Limit:
    return replace(limit, mode=Mode.SHADOW, own_mode=limit.mode)


def _limit(document: AnyLimitDocument, scope: str, zone: ZoneInfo, spot: Spot) -> Limit:
    if document.id is not None:
        check_id(document.id, spot)
    match document:
        case BudgetDocument():
            return _windowed(
                document, LimitKind.BUDGET, read_money(document.usd, "usd", spot) or 0, scope, zone, spot
            )
        case CountDocument():
            return _windowed(document, LimitKind.COUNT, document.max, scope, zone, spot)
        case RateDocument():
            return _rate(document, scope, spot)
        case ConcurrencyDocument():
            name = document.id or LimitKind.CONCURRENCY.value
            return Limit(scope, name, LimitKind.CONCURRENCY, document.mode, document.max)


def _windowed(
    document: WindowedDocument, kind: LimitKind, amount: int, scope: str, zone: ZoneInfo, spot: Spot
) -> Limit:
    alerts = tuple(sorted(set(document.alert_at)))
    window = _window(document, spot)
    name = document.id or f"{kind}-{window}"
    return Limit(scope, name, kind, document.mode, amount, window, zone, alert_at=alerts)


def _window(document: WindowedDocument, spot: Spot) -> Window | None:
    if document.rolling is not None and document.window is not None:
        spot.report("has a window too; a limit counts in one of them", "rolling", of=("window",))
    if document.month_starts is not None and document.window is not WindowName.MONTH:
        spot.report('is for window = "month" only', "month_starts", of=("window",))
    if document.rolling is not None:
        return _rolling(document.rolling, spot)
    if document.window is None:
        spot.report(f'is missing; use one of {", ".join(WindowName)}; or rolling, such as rolling = "24h"', "window")
    if document.month_starts is None or document.month_starts == 1:
        return document.window
    return MonthFrom(document.month_starts)


def _rolling(length: str, spot: Spot) -> Rolling | None:
    try:
        return parse_rolling(length)
    except ValueError as error:
        spot.report(str(error), "rolling")
        return None


def _rate(document: RateDocument, scope: str, spot: Spot) -> Limit:
    if (document.per_minute is None) == (document.per_second is None):
        spot.report("needs per_minute or per_second, one of them", of=("per_minute", "per_second"))
    if document.per_second is not None:
        window, interval_us = None, -(-_SECOND_US // document.per_second)
    else:
        window, interval_us = WindowName.MINUTE, -(-_MINUTE_US // (document.per_minute or 1))
    if document.burst * interval_us > _MOST_DRAIN_US:
        spot.report(f"{document.burst} is too large for this rate", "burst")
    name = document.id or f"rate-{window or 'second'}"
    return Limit(scope, name, LimitKind.RATE, document.mode, document.burst, window, interval_us=interval_us)


def _check_clashes(limits: Sequence[Limit], spots: Sequence[Spot]) -> None:
    """Report limits of one scope that would share a counter, or a name in metrics and refusals."""
    by_counter: dict[object, Limit] = {}
    by_id: dict[str, Limit] = {}
    for limit, spot in zip(limits, spots, strict=True):
        if limit.zone is not None and limit.window is None:  # reported as such; its name and counter mean nothing
            continue
        other = by_counter.setdefault((limit.kind, limit.window, limit.mode), limit)
        if other is not limit:
            same = f"counts the same as limit {other.id!r}, since both are {_described(limit)}; keep one of them"
            spot.report(same, of=_COUNTED_BY)
        elif by_id.setdefault(limit.id, limit) is not limit:
            fresh = f'give it an id, such as id = "{_fresh_id(limit)}"'
            spot.report(f"is a second limit named {limit.id!r}; {fresh}", of=("id", *_COUNTED_BY))


def _described(limit: Limit) -> str:
    window = f" {in_words(limit.window)}" if limit.window else ""
    return f"a {limit.kind}{window} in mode {limit.mode}"


def _fresh_id(limit: Limit) -> str:
    return "-".join(map(str, filter(None, (limit.kind, limit.window, limit.mode))))


def compile_guards(documents: Sequence[GuardDocument], scope: str, owner: Spot, mode: Mode) -> tuple[Guard, ...]:
    """Compile the guards of one tenant."""
    guards = []
    for position, document in enumerate(documents):
        spot = owner.entry("guard", position, document.parameter)
        for problem in _guard_problems(document):
            spot.report(problem, of=("parameter", "min", "max", "one_of", "forbidden"))
        for field, value in _numbers(document):
            check_finite(value, field, spot)
        bounds = (document.min, document.max, document.one_of, document.forbidden)
        guards.append(Guard(scope, document.parameter, *bounds, mode))
    return tuple(guards)


def _guard_problems(document: GuardDocument) -> Iterator[str]:
    bounds = [bound for bound in (document.min, document.max, document.one_of) if bound is not None]
    if not document.parameter:
        yield "names no parameter"
    if not bounds and not document.forbidden:
        yield "bounds nothing; give min, max, one_of or forbidden = true"
    if bounds and document.forbidden:
        yield "is forbidden, so that min, max and one_of mean nothing; keep one or the other"
    if document.min is not None and document.max is not None and document.min > document.max:
        yield f"min {document.min} is above max {document.max}"
    if document.one_of == ():
        yield "one_of is empty; write forbidden = true to allow no value"


def _numbers(document: GuardDocument) -> Iterator[tuple[str, object]]:
    yield "min", document.min
    yield "max", document.max
    yield from (("one_of", value) for value in document.one_of or ())
