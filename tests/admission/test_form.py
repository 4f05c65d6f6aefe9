"""The form of a transcription: what of it is priced and recorded, and every way in which it could be read as two."""

import hashlib
from typing import Any

import pytest

from gateway.admission.asking import Asked, read_transcription
from gateway.admission.form import MOST_PARTS, read_form
from gateway.domain.errors import Code, Refused
from gateway.pricing import Route

TYPE = b"multipart/form-data; boundary=XyZ"
SOUND = b"RIFF\r\n--Xy\r\n\x00\xff\r\n"
FILE = b'form-data; name="file"; filename="a.wav"', SOUND
MODEL = b'form-data; name="model"', b"openai/whisper-1"
Part = tuple[bytes, bytes]


def form(*parts: Part) -> bytes:
    """Write a form; what stands before a content is its Content-Disposition, and further headers."""
    return b"".join(b"--XyZ\r\nContent-Disposition: %s\r\n\r\n%s\r\n" % part for part in parts) + b"--XyZ--\r\n"


def text(name: str, value: str) -> Part:
    return f'form-data; name="{name}"'.encode(), value.encode()


def read(*parts: Part) -> Asked:
    return read_transcription(form(*parts), {}, TYPE)


def refused(raw: bytes, content_type: bytes = TYPE) -> str:
    """Give the message of a form that is refused as one that cannot be read in one way."""
    with pytest.raises(Refused) as error:
        read_transcription(raw, {}, content_type)
    assert error.value.code is Code.INVALID_JSON
    return error.value.message


def test_a_transcription_is_sent_as_it_came_and_recorded_by_the_digest_of_its_file() -> None:
    parts = FILE, MODEL, text("language", "é"), text("timestamp_granularities[]", "word")
    asked = read(*parts, text("timestamp_granularities[]", "segment"))
    recorded: dict[str, Any] = {
        "model": "openai/whisper-1",
        "language": "é",
        "timestamp_granularities[]": ["word", "segment"],
        "file": hashlib.sha256(SOUND).hexdigest(),
    }
    assert asked.input == recorded
    assert asked.body.input == recorded | {"file_bytes": len(SOUND)}
    assert (asked.body.model, asked.body.route) == ("openai/whisper-1", Route.TRANSCRIPTION)
    assert (asked.sent, asked.content_type) == (form(*parts, text("timestamp_granularities[]", "segment")), TYPE)
    assert not asked.streamed


@pytest.mark.parametrize(("stream", "streamed"), [("true", True), ("false", False)])
def test_a_stream_is_asked_for_by_a_text_that_is_no_part_of_the_record(stream: str, streamed: bool) -> None:
    asked = read(MODEL, text("stream", stream), FILE)
    assert asked.streamed is streamed
    assert "stream" not in asked.input


@pytest.mark.parametrize(
    "head",
    [
        b"form-data; name=file; filename=a.wav",
        b"form-data; name=file; filename=a.wav; filename*=utf-8''a.wav",
        b'form-data; filename="a \\"b\\".wav"; name="file"',
        'form-data; name="file"; filename="é.wav"'.encode(),
        b'form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\nContent-Length: 16',
        b'form-data; name="file"; filename="a.wav"\r\nContent-Transfer-Encoding: binary',
        b'form-data; name="file"; filename=""',
    ],
)
def test_the_heads_that_clients_write_are_read(head: bytes) -> None:
    assert read((head, SOUND), MODEL).input["file"] == hashlib.sha256(SOUND).hexdigest()


@pytest.mark.parametrize("quoted", [b'multipart/form-data; boundary="XyZ"', b"Multipart/Form-Data;Boundary=XyZ"])
def test_the_boundary_may_be_quoted(quoted: bytes) -> None:
    assert read_form(form(FILE, MODEL), quoted, ()).file_bytes == len(SOUND)


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ([MODEL], "file is missing"),
        ([FILE], "model must be"),
        ([FILE, MODEL, MODEL], "'model' stands twice"),
        ([FILE, FILE, MODEL], "'file' stands twice"),
        ([FILE, MODEL, text("Model", "dear")], "too like"),
        ([FILE, MODEL, text("model[]", "dear")], "too like"),
        ([FILE, MODEL, text("model[0]", "dear")], "too like"),
        ([FILE, MODEL, text("Stream", "true")], "too like"),
        ([FILE, MODEL, text("stream", "True")], "stream must be"),
        ([FILE, MODEL, text("file_bytes", "1")], "file_bytes is what the gateway measures"),
        ([FILE, text("model", "workflow/wf")], "model must be"),
        ([(FILE[0], b""), MODEL], "file is missing or empty"),
        ([text("file", "sound"), MODEL], "file must be a file"),
        ([FILE, (b'form-data; name="model"; filename="m"', b"dear")], "model must be a text"),
        ([FILE, MODEL, (b'form-data; name="image"; filename="b.png"', b"x")], "image must be a text"),
        ([FILE, (b'form-data; name="model"', b"\xff")], "not valid UTF-8"),
        ([FILE, (b'form-data; name="model"\r\nContent-Type: text/plain; charset=utf-16', b"m")], "in UTF-8"),
        ([FILE, (b'form-data; name="model"; name="other"', b"m")], "each parameter once"),
        ([FILE, (b"form-data; name=\"other\"; name*=utf-8''model", b"m")], "Content-Disposition"),
        ([FILE, (b'form-data; name="model"\r\nContent-Disposition: form-data; name="b"', b"m")], "twice"),
        ([FILE, (b'form-data; name="mo\\del"', b"m")], "Content-Disposition"),
        ([FILE, (b'attachment; name="model"', b"m")], "Content-Disposition"),
        ([FILE, (b'form-data; name="model"\r\nContent-Transfer-Encoding: base64', b"bQ==")], "as it is"),
        ([FILE, MODEL, text("prompt", "x" * (2**20 + 1))], "prompt is longer"),
        ([FILE, MODEL, *[text(f"a{number}", "") for number in range(MOST_PARTS)]], "more than 100 parts"),
    ],
)
def test_a_form_that_lacks_something_or_says_it_twice_is_refused(parts: list[Part], why: str) -> None:
    assert why in refused(form(*parts))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"--XyZ--\r\n",
        form(FILE, MODEL)[:-9],  # without an end
        form(FILE, MODEL)[2:],
        b"preamble\r\n" + form(FILE, MODEL),
        form(FILE, MODEL) + b"epilogue",
        form(FILE, MODEL) + form(FILE, text("model", "dear")),
        form(FILE, MODEL).replace(b"\r\n", b"\n"),
        # What another reader may take for a boundary, since a line has ended there for it.
        form((FILE[0], b'a\n--XyZ\nContent-Disposition: form-data; name="model"\n\ndear\n'), MODEL),
        form((FILE[0], b"a\r\n--XyZ-more\r\nb"), MODEL),
        form(FILE, (b'form-data; name="model"\nX: y', b"m")),
        b"--XyZ\r\nNo header\r\n\r\nx\r\n--XyZ--\r\n",
    ],
)
def test_a_broken_form_is_refused(raw: bytes) -> None:
    refused(raw)


@pytest.mark.parametrize(
    "content_type",
    [
        b"",
        b"application/json",
        b"multipart/mixed; boundary=XyZ",
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b"multipart/form-data; boundary=other",
        b"multipart/form-data; boundary=XyZ; boundary=other",
        b"multipart/form-data; charset=utf-16; boundary=XyZ",
        b'multipart/form-data; boundary="XyZ',
        b"multipart/form-data; boundary=" + b"X" * 71,
    ],
)
def test_a_content_type_that_names_no_boundary_or_more_than_that_is_refused(content_type: bytes) -> None:
    refused(form(FILE, MODEL), content_type)
