"""What upstream's answers say, read exactly or not at all."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.money import MAX_UNITS
from gateway.upstream.answers import (
    PHASES,
    Phase,
    parse_cost,
    point_urls,
    read_created,
    read_executions,
    read_prediction,
)
from gateway.upstream.client import Answer

BASE = "https://gateway.example"


@pytest.mark.parametrize(
    ("raw", "units"),
    [
        (b"0.014", 1_400_000),
        (b'"0.014"', 1_400_000),
        (b"1.4e-2", 1_400_000),
        (b"14E-3", 1_400_000),
        (b"0.0140000000000000000", 1_400_000),
        (b"1e-8", 1),
        (b"1e-9", 1),
        (b"0.000000011", 2),
        (b"0.1", 10_000_000),
        (b"0", 0),
        (b"0.0", 0),
        (b"-0.0", 0),
        (b"90071992.54740991", MAX_UNITS),
        (b"90071992.54740992", None),
        (b"-0.014", None),
        (b"-1e-9", 0),
        (b"NaN", None),
        (b'"NaN"', None),
        (b'"sNaN"', None),
        (b'"Infinity"', None),
        (b"1e999999", None),
        (b"1e-999999", 1),
        (b"0e999999", None),
        (b"null", None),
        (b"true", None),
        (b'""', None),
        (b'"0,014"', None),
        (b"[0.014]", None),
        (b'{"usd":1}', None),
        (b"\xff", None),
    ],
)
def test_a_cost_is_read_exactly_or_not_at_all(raw: bytes, units: int | None) -> None:
    begun = time.process_time()
    assert parse_cost(raw) == units
    assert time.process_time() - begun < 0.05


@given(st.integers(0, MAX_UNITS))
def test_every_amount_is_read_as_it_was_written(units: int) -> None:
    whole, fraction = divmod(units, 10**8)
    assert parse_cost(f"{whole}.{fraction:08}".encode()) == units


@pytest.mark.parametrize("length", [10**4, 10**6])
def test_a_cost_of_very_many_digits_costs_no_time(length: int) -> None:
    begun = time.process_time()
    assert parse_cost(b"1" * length) is None
    assert parse_cost(b"0." + b"0" * length + b"1") == 1
    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize(
    ("word", "phase"),
    [
        *PHASES.items(),
        ("SUCCESS", Phase.SUCCEEDED),
        ("starting", Phase.RUNNING),
        ("processing", Phase.RUNNING),
        ("", Phase.RUNNING),
        ("succes", Phase.RUNNING),
    ],
)
def test_a_status_is_one_of_the_known_or_counts_as_running(word: str, phase: Phase) -> None:
    reading = read_prediction(json.dumps({"status": word, "metrics": {"cost": 0.5}}).encode())
    assert reading is not None
    assert (reading.phase, reading.status, reading.cost) == (phase, word, 50_000_000)
    assert reading.ended == (phase is not Phase.RUNNING)


@pytest.mark.parametrize(
    ("body", "cost"),
    [
        (b'{"status":"success"}', None),
        (b'{"status":"success","metrics":null}', None),
        (b'{"status":"success","metrics":{}}', None),
        (b'{"status":"success","metrics":{"cost":null}}', None),
        (b'{"status":"success","metrics":{"cost":0}}', 0),
        (b'{"status":"success","metrics":{"cost":"0.5","x":[1]},"output":{"status":"error"}}', 50_000_000),
    ],
)
def test_a_prediction_without_a_cost_has_none(body: bytes, cost: int | None) -> None:
    reading = read_prediction(body)
    assert reading is not None
    assert reading.cost == cost


DEEP = b'{"x":' + b"[" * 100_000
NO_PREDICTIONS = [
    b"",
    b"<html>",
    b"[]",
    b"null",
    b'{"status":5}',
    b'{"status":"success"',
    b"\xff",
    b'{"status":"\xff"}',
]


@pytest.mark.parametrize("body", [*NO_PREDICTIONS, DEEP])
def test_what_is_no_prediction_is_not_read_as_one(body: bytes) -> None:
    assert read_prediction(body) is None


@pytest.mark.parametrize(
    ("body", "prediction"),
    [
        (b'{"status":"success","predictionID":"p-1"}', "p-1"),
        (b'{"id":"p-2"}', "p-2"),
        (b'{"predictionID":"p-1","id":"p-2"}', "p-1"),
        (b'{"predictionID":"","id":"p-2"}', "p-2"),
        (b'{"predictionID":""}', None),
        (b'{"predictionID":null}', None),
        (b'{"predictionID":17}', None),
        (b'{"predictionID":["p"]}', None),
        (b'{"status":"success"}', None),
        (b'["p-1"]', None),
        (b'"p-1"', None),
        (b"", None),
        (b"null", None),
        (b'{"status":"succ\xff<html>', None),
        (b'{"predictionID":"\xff"}', None),
        (DEEP, None),
        (b'{"predictionID":"p-1"', None),
        (b'{"predictionID":"p-1"}{"predictionID":"p-2"}', None),
    ],
)
def test_a_create_names_its_prediction_or_proves_nothing(body: bytes, prediction: str | None) -> None:
    assert read_created(body) == prediction


def test_only_the_addresses_are_pointed_at_the_gateway_and_every_other_value_keeps_its_bytes() -> None:
    odd = b'{"a" : 1.0e0, "\\u0061b":"\\/", "n":0.10, "big":123456789012345678901234567890, "urls":'
    urls = b'{"get":"https://api.eachlabs.ai/v1/prediction/p?x=1","cancel":"http://a/b/cancel","n":null,"o":{"k":1}}'
    pointed = point_urls(odd + urls + b', "z":[ 1,2 ]}', BASE)
    assert b'"a":1.0e0' in pointed
    assert b'"ab":"\\/"' in pointed
    assert b'"n":0.10' in pointed
    assert b'"big":123456789012345678901234567890' in pointed
    assert b'"z":[ 1,2 ]' in pointed
    assert json.loads(pointed)["urls"] == {
        "get": f"{BASE}/v1/prediction/p",
        "cancel": f"{BASE}/b/cancel",
        "n": None,
        "o": {"k": 1},
    }
    assert list(json.loads(pointed)) == ["a", "ab", "n", "big", "urls", "z"]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"<html>", b'{"a":1}', b'{"urls":null}', b'{"urls":["x"]}', b'{"urls":{"get":"http://["}}', b"\xff"],
)
def test_an_answer_without_addresses_stays_as_it_is(body: bytes) -> None:
    assert point_urls(body, BASE) == body


def executions(*rows: dict[str, object]) -> bytes:
    return json.dumps({"executions": [{"id": "e", "model": "m", "status": "success"} | row for row in rows]}).encode()


@pytest.mark.parametrize(
    "created_at",
    [
        "2050-03-15T12:00:00Z",
        "2050-03-15T12:00:00.000Z",
        "2050-03-15T15:00:00+03:00",
        "2050-03-15T12:00:00.000000999Z",
        "2050-03-15T12:00:00",
    ],
)
def test_a_time_is_read_as_the_instant_it_is_in_whatever_zone_the_gateway_runs(
    created_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        (row,) = read_executions(executions({"created_at": created_at, "execution_cost": 0.014})) or []
    finally:
        monkeypatch.undo()
        time.tzset()
    assert row.created_us == 2_530_958_400_000_000
    assert (row.id, row.model, row.reading.phase, row.reading.cost) == ("e", "m", Phase.SUCCEEDED, 1_400_000)


def test_an_empty_list_is_empty_and_what_is_no_list_is_none() -> None:
    assert read_executions(b'{"executions":[],"total_count":0}') == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"error":"internal server error"}',
        b'{"executions":null}',
        b'{"executions":[{"model":"m"}]}',
        b'{"executions":[{"id":5,"created_at":"2050-03-15T12:00:00Z"}]}',
        executions({"created_at": "yesterday"}),
        executions({}),
        executions({"created_at": "2050-03-15T12:00:00Z"}, {"created_at": ""}),
        b'{"executions":[',
    ],
)
def test_a_page_that_cannot_be_read_whole_is_no_page_so_that_nothing_is_concluded_from_it(body: bytes) -> None:
    assert read_executions(body) is None


@pytest.mark.parametrize(
    ("date", "us"),
    [
        (b"Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777_000_000),
        (b"Sun, 06 Nov 1994 08:49:37 -0000", 784_111_777_000_000),
        (b"Sun, 06 Nov 1994 09:49:37 +0100", 784_111_777_000_000),
        (b"yesterday", None),
        (b"", None),
    ],
)
def test_upstreams_own_time_is_read_from_its_date_or_not_at_all(date: bytes, us: int | None) -> None:
    assert Answer(200, [(b"date", date)], b"").date_us() == us


def test_an_answer_without_a_date_tells_no_time() -> None:
    assert Answer(200, [], b"").date_us() is None
