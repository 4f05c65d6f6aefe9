"""The body of a create means one thing, or is refused."""

import pytest

from gateway.admission.reading import read_create
from gateway.domain.errors import Code, Refused

GOOD = b'{"model":"m","input":{"n":1}}'


def refusal(raw: bytes) -> str:
    with pytest.raises(Refused) as caught:
        read_create(raw)
    assert caught.value.code is Code.INVALID_JSON
    assert caught.value.message.encode()  # it can be sent
    return caught.value.message


def test_a_create_is_read_and_its_bytes_are_kept() -> None:
    raw = b' { "input" : {"n": 1.50, "\\u0061": [null]} ,"model":"m", "webhook_url":"http://x", "Models": 1}\n'
    body = read_create(raw)
    assert (body.model, body.input, body.raw) == ("m", {"n": 1.5, "a": [None]}, raw)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"model":"m","model":"n","input":{}}',
        b'{"model":"m","input":{},"input":{"n":4}}',
        b'{"model":"m","input":{"n":1,"n":4}}',
        b'{"model":"m","input":{"n":1,"\\u006e":4}}',
        b'{"model":"m","input":{"a":[{"n":1,"n":1}]}}',
        b'{"model":"m","input":{},"x":{"a":1,"a":2}}',
        b'{"model":"m","mod\\u0065l":"n","input":{}}',
    ],
)
def test_a_name_that_stands_twice_is_refused_however_deep_or_disguised(raw: bytes) -> None:
    assert "twice" in refusal(raw)


@pytest.mark.parametrize("twin", [b"Model", b"MODEL", b"mODEL", b"Input", b"INPUT", b"inpu\\u0054"])
def test_a_twin_in_other_letters_is_refused(twin: bytes) -> None:
    assert "too like" in refusal(b'{"model":"m","input":{},"' + twin + b'":"n"}')


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b'"m"',
        b"{}",
        b'{"model":"m"}',
        b'{"input":{}}',
        b'{"model":5,"input":{}}',
        b'{"model":null,"input":{}}',
        b'{"model":"' + b"m" * 201 + b'","input":{}}',
        b'{"model":"m","input":[]}',
        b'{"model":"m","input":null}',
        b'{"model":"m","input":"{}"}',
        GOOD[:-1],
        GOOD + b"}",
        GOOD + GOOD,
        GOOD + b"\x00",
        b"\xef\xbb\xbf" + GOOD,
        GOOD.decode().encode("utf-16"),
        b'{"model":"m\xff","input":{}}',
        b'{"model":"m","input":{"n":NaN}}',
        b'{"model":"m","input":{"n":-Infinity}}',
        b'{"model":"m","input":{"n":01}}',
        b'{"model":"m","input":{"n":1,}}',
        b"{'model':'m','input':{}}",
        b'{"model":"m","input":{}/**/}',
        b'{"model":"m\n","input":{}}',
        b'{"model":"m","input":{"n":' + b"9" * 5000 + b"}}",
    ],
)
def test_what_is_no_create_is_refused(raw: bytes) -> None:
    refusal(raw)


@pytest.mark.parametrize("depth", [900, 5_000, 200_000])
def test_nesting_is_refused_or_read_but_never_a_fault(depth: int) -> None:
    raw = b'{"model":"m","input":{"a":' + b"[" * depth + b"]" * depth + b"}}"
    try:
        read_create(raw)
    except Refused as refused:
        assert refused.code is Code.INVALID_JSON


@pytest.mark.parametrize("half", [b"\\ud800", b"\\udc00", b"\\ud800\\ud800", b"\\ud83d"])
@pytest.mark.parametrize("shape", [b'{"model":"%s","input":{}}', b'{"model":"m","input":{"%s":"%s"}}'])
def test_half_a_surrogate_pair_is_refused_or_can_be_written_again(half: bytes, shape: bytes) -> None:
    raw = shape.replace(b"%s", half)
    try:
        body = read_create(raw)
    except Refused as refused:
        assert refused.code is Code.INVALID_JSON
    else:
        f"{body.model}{body.input}".encode()


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert read_create(b'{"model":"\\ud83d\\ude00","input":{}}').model == "😀"
