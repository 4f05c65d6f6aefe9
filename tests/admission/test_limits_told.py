"""What a tenant is told of its limits: valid header fields, JSON, and never the account's amounts."""

import json
import re
from typing import Any

import msgspec
import pytest
from ledger.bench import ACCOUNT, NOON_US, SECOND, budget, concurrency, count, rate

from gateway.admission.limits import rate_limit_fields, refusal_json, remaining, smallest_budget, usage_json
from gateway.admission.refusals import refusal
from gateway.domain.errors import Code
from gateway.domain.limit import Grant, Limit, Mode
from gateway.domain.money import MAX_UNITS
from gateway.domain.window import MonthFrom, Rolling, WindowName
from gateway.ledger.decisions import Busy, Doubted, Mismatch, OverLimit, Pending, Use

AT = NOON_US
TOTAL = WindowName.TOTAL
SHADOW = {"mode": Mode.SHADOW}
_ITEM = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_PARAMETER = re.compile(r";([a-z*][a-z0-9_.*-]*)=(-?\d{1,15}(?![\d.])|\"(?:[ !#-\[\]-~]|\\[\"\\])*\")")


def parse_list(text: str) -> dict[str, dict[str, Any]]:
    """Read a structured field (RFC 9651): a list of strings with integer or string parameters."""
    found: dict[str, dict[str, Any]] = {}
    while True:
        item = _ITEM.match(text)
        assert item, f"no string item at {text!r}"
        text, parameters = text[item.end() :], {}
        while (pair := _PARAMETER.match(text)) is not None:
            parameters[pair[1]] = json.loads(pair[2]) if pair[2][0] == '"' else int(pair[2])
            text = text[pair.end() :]
        assert item[1] not in found
        found[item[1]] = parameters
        if not text:
            return found
        assert text.startswith(", "), f"no comma at {text!r}"
        text = text[2:]


def use(limit: Limit, used: int = 0, held: int = 0, wait_us: int = 0, violated: bool = False) -> Use:
    return Use(limit, violated, used, held, wait_us)


def test_the_fields_are_structured_lists_with_one_item_for_each_limit_on_creates() -> None:
    uses = [
        use(count(100, id="daily"), 40, wait_us=3_600_000_001),
        use(rate(0.6, 5, id="rate"), 5, wait_us=400_000),
        use(concurrency(4, id="slots"), 1),
        use(count(7, window=TOTAL, id="ever"), 9, wait_us=1),
        use(budget(500, id="money"), 1),
        use(count(9, id="trial", **SHADOW), 1),
        use(count(9, ACCOUNT, id="whole"), 1),
    ]
    fields = rate_limit_fields(uses)
    assert parse_list(fields["RateLimit-Policy"]) == {
        "tenant/t/daily": {"q": 100},
        "tenant/t/rate": {"q": 5, "w": 3},
        "tenant/t/slots": {"q": 4, "qu": "concurrent-requests"},
        "tenant/t/ever": {"q": 7},
    }
    assert parse_list(fields["RateLimit"]) == {
        "tenant/t/daily": {"r": 60, "t": 3601},
        "tenant/t/rate": {"r": 0, "t": 1},
        "tenant/t/slots": {"r": 3},
        "tenant/t/ever": {"r": 0},
    }


def test_a_rolling_window_is_told_by_its_length_and_by_when_something_of_it_leaves() -> None:
    rolling = count(100, window=Rolling(1440), id="rolling")
    quiet, busy = rate_limit_fields([use(rolling, 40)]), rate_limit_fields([use(rolling, 40, wait_us=90 * SECOND)])
    assert parse_list(quiet["RateLimit-Policy"]) == {"tenant/t/rolling": {"q": 100, "w": 86400}}
    assert parse_list(quiet["RateLimit"]) == {"tenant/t/rolling": {"r": 60}}
    assert parse_list(busy["RateLimit"]) == {"tenant/t/rolling": {"r": 60, "t": 90}}
    line = usage_json(use(rolling, 40, wait_us=90 * SECOND), AT)
    assert (line["window"], line["resets_at"]) == ("rolling-24h", "2050-03-15T12:01:30Z")
    assert usage_json(use(rolling), AT)["resets_at"] is None


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (budget(5 * 10**8, id="b", window=Rolling(1440)), "5.00 USD in any 24h, 0.00000001 used"),
        (count(5, id="c", window=Rolling(2 * 1440)), "5 predictions in any 2d, 1 used"),
        (budget(5 * 10**8, id="b", window=MonthFrom(15)), "5.00 USD per month-15, 0.00000001 used"),
    ],
)
def test_a_refusal_says_in_which_span_and_how_long_to_wait_if_that_helps(limit: Limit, words: str) -> None:
    refused = refusal(OverLimit(AT, (use(limit, 1, 0, 30 * SECOND, violated=True),)), 10)
    assert words in refused.message
    assert refused.headers.get("Retry-After") == (None if refused.code is Code.BUDGET_EXCEEDED else "30")
    never = refusal(OverLimit(AT, (use(limit, 1, 0, 0, violated=True),)), 10)
    assert never.extra["limits"][0]["resets_at"] is None


@pytest.mark.parametrize(
    "text", ["", "a", '"a";q=01x', '"a";q=1.', '"a";Q=1', '"a","b"', '"a";q=1234567890123456', '"ä"', '"a";q']
)
def test_the_parser_refuses_what_is_no_such_list(text: str) -> None:
    with pytest.raises(AssertionError):
        parse_list(text)


@pytest.mark.parametrize("limit", [count(MAX_UNITS, id="n"), concurrency(10**15, id="c"), rate(3600, 10**4, id="r")])
def test_a_large_amount_is_still_an_integer_that_the_fields_may_carry(limit: Limit) -> None:
    fields = rate_limit_fields([use(limit, wait_us=10**15)])
    assert [len(parse_list(text)) for text in fields.values()] == [1, 1]


def test_without_limits_that_may_be_told_there_are_no_fields() -> None:
    assert rate_limit_fields([]) == rate_limit_fields([use(budget(5)), use(count(5, ACCOUNT))]) == {}


def test_a_line_of_usage_says_all_of_it() -> None:
    line = usage_json(use(budget(500_000_000, id="daily"), 123, 7, 12 * 3600 * SECOND - 1), AT)
    assert line == {
        "id": "daily",
        "scope": "tenant/t",
        "kind": "budget",
        "window": "day",
        "mode": "enforce",
        "limit": "5.00",
        "used": "0.00000123",
        "held": "0.00000007",
        "remaining": "4.9999987",
        "resets_at": "2050-03-16T00:00:00Z",
    }


def test_a_line_of_a_raised_limit_says_by_what_and_why() -> None:
    grants = (Grant(200_000_000, AT, AT + 3600 * SECOND, "launch"), Grant(5, AT, AT + SECOND, "press"))
    line = usage_json(use(budget(700_000_005, grants=grants)), AT)
    assert line["limit"] == "7.00000005"
    assert line["grants"] == [
        {"usd": "2.00", "from": "2050-03-15T12:00:00.000Z", "until": "2050-03-15T13:00:00.000Z", "reason": "launch"},
        {
            "usd": "0.00000005",
            "from": "2050-03-15T12:00:00.000Z",
            "until": "2050-03-15T12:00:01.000Z",
            "reason": "press",
        },
    ]
    assert usage_json(use(count(7, grants=grants[1:])), AT)["grants"][0]["max"] == 5


@pytest.mark.parametrize(
    ("limit", "window", "resets_at"),
    [
        (count(5, window=TOTAL), "total", None),
        (concurrency(5), None, None),
        (rate(1, 5, window=None), "second", "2050-03-15T12:00:05Z"),
        (rate(1, 5), "minute", "2050-03-15T12:00:05Z"),
    ],
)
def test_a_window_that_never_ends_or_is_none_resets_never(
    limit: Limit, window: str | None, resets_at: str | None
) -> None:
    line = usage_json(use(limit, wait_us=5 * SECOND), AT)
    assert (line["window"], line["resets_at"]) == (window, resets_at)


def test_what_is_left_is_never_below_zero_and_the_smallest_budget_that_may_be_seen_counts() -> None:
    assert remaining(use(budget(10), 8, 5)) == 0
    uses = [
        use(budget(100), 10),
        use(budget(5, **SHADOW)),
        use(budget(1, ACCOUNT)),
        use(count(0)),
        use(budget(80), 20),
    ]
    assert smallest_budget(uses) == 60
    assert smallest_budget([use(budget(1, ACCOUNT))]) is None


ACCOUNT_AMOUNTS = (7_777_777, 3_333_333, 2_222_222)


@pytest.mark.parametrize("make", [budget, count, concurrency, lambda amount, scope: rate(60, amount, scope)])
def test_the_accounts_amounts_are_in_no_part_of_a_refusal(make: Any) -> None:
    amount, used, held = ACCOUNT_AMOUNTS
    limit = make(amount, ACCOUNT)
    refused = refusal(OverLimit(AT, (use(limit, used, held, 60_000_000, violated=True),)), 10)
    everything = json.dumps([refused.message, refused.extra, refused.headers, refused.details])
    assert not [word for word in ("7777777", "0.07777777", "3333333", "0.03333333", "2222222") if word in everything]
    assert refused.extra["limits"][0]["limit"] is None
    assert refused.extra["limits"][0]["id"] == limit.id


def test_the_code_is_the_first_kinds_and_every_violated_limit_is_listed() -> None:
    uses = tuple(
        use(limit, limit.amount, 0, 9_500_000, violated=True)
        for limit in (concurrency(1), rate(60, 1), count(1), budget(1), budget(1, **SHADOW))
    )
    refused = refusal(OverLimit(AT, uses), 10)
    assert refused.code is Code.BUDGET_EXCEEDED
    assert [line["kind"] for line in refused.extra["limits"]] == ["budget", "count", "rate", "concurrency"]
    assert "Retry-After" not in refused.headers
    assert refusal(OverLimit(AT, uses[:3]), 10).code is Code.COUNT_EXCEEDED
    assert refusal(OverLimit(AT, uses[:2]), 10).code is Code.RATE_EXCEEDED
    assert refusal(OverLimit(AT, uses[:1]), 10).code is Code.CONCURRENCY_EXCEEDED
    assert refusal(OverLimit(AT, uses[:2]), 10).headers["Retry-After"] == "10"


def test_a_limit_that_waiting_does_not_help_gives_no_time_to_wait() -> None:
    uses = (use(count(1, window=TOTAL), 1, 0, 9_500_000, violated=True),)
    assert "Retry-After" not in refusal(OverLimit(AT, uses), 10).headers


def test_every_other_decision_has_its_code_and_can_be_written() -> None:
    cases: dict[Any, Code] = {
        OverLimit(AT, (use(budget(5)),)): Code.BUDGET_EXCEEDED,
        Busy(AT, 1_500_001, ()): Code.UPSTREAM_BUSY,
        Mismatch(): Code.IDEMPOTENCY_MISMATCH,
        Pending("r"): Code.IDEMPOTENCY_IN_PROGRESS,
        Doubted("r"): Code.UPSTREAM_IN_DOUBT,
    }
    for decision, code in cases.items():
        refused = refusal(decision, 10)
        assert refused.code is code
        msgspec.json.encode([refused.message, refused.extra, refused.headers])
    assert refusal(Busy(AT, 1_500_001, ()), 10).headers["Retry-After"] == "2"
    assert refusal(Busy(AT, 0, ()), 10).headers["Retry-After"] == "1"


def test_what_was_asked_for_is_told_in_the_limits_unit() -> None:
    lines = [refusal_json(use(limit), 1_400_000, AT) for limit in (budget(5), count(5), rate(1, 5))]
    assert [line["requested"] for line in lines] == ["0.014", 1, 1]
