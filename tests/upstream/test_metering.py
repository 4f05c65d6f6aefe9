"""What an answer tells of its usage, whole or in events, and what of it passes to a client that did not ask."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.metering import MOST_EVENT_BYTES, Events, read_usage

USAGE = {"prompt_tokens": 12, "completion_tokens": 8}


def event(**fields: object) -> bytes:
    return b"data: " + msgspec.json.encode({"id": "c", **fields}) + b"\n\n"


WORD = event(choices=[{"delta": {"content": 'the word "usage"\n\n'}}])
EMPTY = event(choices=[{"delta": {}}], usage=None)
LAST = event(choices=[], usage=USAGE)
DONE = b"data: [DONE]\n\n"
STREAM = b": a comment\n\n" + WORD + EMPTY + LAST + DONE


def passed(pieces: list[bytes], *, hide: bool) -> tuple[bytes, dict[str, object]]:
    events = Events(hide=hide)
    out = b"".join([events.feed(piece) for piece in pieces])
    return out + events.rest(), events.usage


@given(st.lists(st.integers(0, len(STREAM)), max_size=12).map(sorted), st.booleans())
def test_in_whatever_pieces_a_stream_arrives_it_passes_alike(cuts: list[int], hide: bool) -> None:
    bounds = [0, *cuts, len(STREAM)]
    pieces = [STREAM[start:end] for start, end in itertools.pairwise(bounds)]
    out, usage = passed(pieces, hide=hide)
    assert usage == USAGE
    shown = event(choices=[{"delta": {}}])
    assert out == (b": a comment\n\n" + WORD + shown + DONE if hide else STREAM)


def test_an_event_passes_as_soon_as_it_is_whole_and_no_sooner() -> None:
    events = Events(hide=True)
    assert events.feed(WORD[:-1]) == b""
    assert events.feed(WORD[-1:] + DONE[:4]) == WORD
    assert events.rest() == DONE[:4]


@pytest.mark.parametrize(
    "odd",
    [
        b'data: {"usage": {"prompt_tokens": 1}\n\n',
        b'data: "usage"\n\n',
        b'event: "usage"\n\n',
        b'data: {"usage": 7}\n\n',
        b'data: {"usage": \xff}\n\n',
    ],
)
def test_what_cannot_be_read_passes_as_it_is_and_tells_nothing(odd: bytes) -> None:
    assert passed([odd], hide=True) == (odd, {})


def test_a_usage_that_comes_with_words_is_taken_out_and_the_words_pass() -> None:
    choices = [{"delta": {"content": "x"}}]
    assert passed([event(choices=choices, usage=USAGE)], hide=True) == (event(choices=choices), USAGE)


def test_other_ends_of_lines_are_ends_of_events() -> None:
    stream = LAST.replace(b"\n", b"\r\n") + DONE.replace(b"\n", b"\r\n")
    assert passed([stream], hide=True) == (DONE.replace(b"\n", b"\r\n"), USAGE)


def test_an_event_without_an_end_is_passed_on_unread_and_not_kept() -> None:
    events = Events(hide=True)
    endless = b"data: " + b"x" * MOST_EVENT_BYTES
    assert events.feed(endless) == endless
    assert events.feed(b"more") == b"more"
    assert events.rest() == b""


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        (msgspec.json.encode({"usage": USAGE}), USAGE),
        (b'{"usage": null}', {}),
        (b'{"usage": 7}', {}),
        (b'{"text": "hello"}', {}),
        (b"not JSON", {}),
        (b'{"usage": ' + b"[" * 100_000, {}),
    ],
)
def test_the_usage_of_a_whole_answer(body: bytes, usage: dict[str, object]) -> None:
    assert read_usage(body) == usage
