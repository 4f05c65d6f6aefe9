"""What an answer to a create, or the lack of one, proves about money: one table."""

import pytest

from gateway.domain.errors import Code
from gateway.server.outcome import Kind, judge
from gateway.upstream.client import Answer, NotSent, OutcomeUnknown

NAMED = b'{"status":"success","predictionID":"p"}'
SILENT = b'{"status":"success"}'


def answer(status: int, body: bytes = NAMED, *headers: tuple[bytes, bytes]) -> Answer:
    return Answer(status, list(headers), body)


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_an_answer_with_an_id_runs(status: int) -> None:
    outcome = judge(answer(status), "r")
    assert (outcome.kind, outcome.prediction, outcome.refusal) == (Kind.RUNS, "p", None)


@pytest.mark.parametrize("status", [400, 404, 405, 411, 413, 415, 422, 431])
def test_a_refusal_of_the_request_is_passed_on_and_nothing_ran(status: int) -> None:
    outcome = judge(answer(status), "r")
    assert (outcome.kind, outcome.prediction, outcome.refusal) == (Kind.NOTHING_RAN, None, None)


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_refusal_of_the_gateway_itself_is_not_the_tenants_affair(status: int) -> None:
    outcome = judge(answer(status, b'{"error":"balance of 3.50 USD is too low"}'), "r")
    assert outcome.kind is Kind.NOTHING_RAN
    assert outcome.refusal is not None
    assert outcome.refusal.code is Code.UPSTREAM_UNAVAILABLE
    assert "3.50" not in f"{outcome.refusal.message}{outcome.refusal.details}{outcome.refusal.extra}"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (b"7", "7"),
        (b"0", "1"),
        (b"99999", "99999"),
        (b"100000", "5"),
        (b"", "5"),
        (b"-3", "5"),
        (b"1.5", "5"),
        (b"soon", "5"),
        (b"\xb2", "5"),
        (b"Wed, 21 Oct 2026 07:28:00 GMT", "5"),
    ],
)
def test_an_upstream_that_is_full_ran_nothing_and_says_when_to_come_again(said: bytes, seconds: str) -> None:
    outcome = judge(answer(429, b"", (b"retry-after", said)), "r")
    assert outcome.kind is Kind.NOTHING_RAN
    assert outcome.refusal is not None
    assert (outcome.refusal.code, outcome.refusal.headers["Retry-After"]) == (Code.UPSTREAM_BUSY, seconds)


@pytest.mark.parametrize(
    "unclear",
    [
        *(
            answer(status)
            for status in (100, 199, 300, 302, 307, 408, 409, 410, 412, 418, 425, 499, 500, 502, 503, 504)
        ),
        answer(200, SILENT),
        answer(201, b""),
        answer(204, b""),
        answer(200, b"<html>"),
        answer(200, b'{"predictionID":""}'),
        OutcomeUnknown("ReadTimeout"),
    ],
    ids=lambda value: f"{getattr(value, 'status', 'lost')} {getattr(value, 'body', b'')[:20]!r}",
)
def test_everything_else_proves_nothing_so_that_the_hold_stays(unclear: Answer | OutcomeUnknown) -> None:
    outcome = judge(unclear, "res-1")
    assert (outcome.kind, outcome.prediction) == (Kind.UNKNOWN, None)
    assert outcome.refusal is not None
    assert outcome.refusal.code is Code.UPSTREAM_IN_DOUBT
    assert outcome.refusal.headers["X-Gateway-Reservation"] == "res-1"


def test_what_was_not_sent_ran_nothing() -> None:
    outcome = judge(NotSent("ConnectError"), "r")
    assert outcome.kind is Kind.NOTHING_RAN
    assert outcome.refusal is not None
    assert outcome.refusal.code is Code.UPSTREAM_UNREACHABLE
