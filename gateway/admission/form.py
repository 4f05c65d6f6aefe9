"""A form (multipart/form-data, RFC 7578), without a way to mean one thing here and another upstream."""

import hashlib
import re
from collections.abc import Container
from typing import NamedTuple

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError

from gateway.domain.errors import Code, Refused

MOST_PARTS = 100
MOST_TEXT_BYTES = 2**20
_BOUNDARY = re.compile(
    rb"""multipart/form-data[ \t]*;[ \t]*boundary=("?)([0-9A-Za-z'()+_,./:=?-]{1,70})\1""", re.IGNORECASE
)
_PARAMETER = re.compile(
    rb""";[ \t]*(name|filename\*?)="""
    rb"""("(?:[^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*"|[\w!#$%&'*+.^`|~\[\]-]+)[ \t]*""",
    re.IGNORECASE,
)
_DISPOSITION = re.compile(rb"form-data[ \t]*((?:%s)+)" % _PARAMETER.pattern, re.IGNORECASE)
_NAME = re.compile(rb"[A-Za-z0-9_.-]{1,100}(?:\[[A-Za-z0-9_]{0,100}\])?")
_AS_IT_IS = (b"binary", b"8bit", b"7bit")


class Form(NamedTuple):
    """The texts of a form, as a list where the name ends in `[]`, and of its file the size and the SHA-256 (hex)."""

    texts: dict[str, str | list[str]]
    file_bytes: int
    file_digest: str


class _Part:
    """One part as it stands there; names of headers in lower case."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.content = memoryview(b"")

    def header(self, name: bytes) -> bytes:
        """Give the value of a header, empty where it is absent. Raises Refused where it stands twice."""
        values = [value for key, value in self.headers if key == name]
        if len(values) > 1:
            raise _invalid(f"a part of the form has {name.decode()} twice")
        return values[0] if values else b""


class _Parts:
    """Takes what the parser finds in a body that it is given as one piece."""

    def __init__(self) -> None:
        self.found: list[_Part] = []
        self.ended = False
        self._name = b""

    def read(self, raw: bytes, boundary: bytes) -> None:
        """Read a whole body. Raises FormParserError."""
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": lambda: self.found.append(_Part()),
                "on_header_field": self._take_name,
                "on_header_value": self._take_value,
                "on_part_data": self._take_content,
                "on_end": self._end,
            },
        )
        parser.write(raw)

    def _take_name(self, data: bytes, start: int, end: int) -> None:
        self._name = data[start:end].lower()

    def _take_value(self, data: bytes, start: int, end: int) -> None:
        self.found[-1].headers.append((self._name, data[start:end].strip(b" \t")))

    def _take_content(self, data: bytes, start: int, end: int) -> None:
        self.found[-1].content = memoryview(data)[start:end]

    def _end(self) -> None:
        self.ended = True


def read_form(raw: bytes, content_type: bytes, names: Container[str]) -> Form:
    """Read a form with one file, named `file`; `names` are those that may be written in no other way.

    Raises Refused (`invalid_json`) for what is no such form, or could be read in two ways.
    """
    texts: dict[str, str | list[str]] = {}
    file: _Part | None = None
    for part in _parts(raw, content_type):
        name, named_file = _disposition(part)
        bare = name.casefold().partition("[")[0]
        if bare in names and name not in names:
            raise _invalid(f"the name {name!r} is too like {bare!r}; leave it out", name)
        if named_file != (name == "file"):
            must = "be a file, with a filename" if name == "file" else "be a text, and no file"
            raise _invalid(f"{name} must {must}", name)
        if (name in texts and not name.endswith("[]")) or (file and named_file):
            raise _invalid(f"the part {name!r} stands twice; send it once", name)
        if named_file:
            file = part
        else:
            _put(texts, name, _text(name, part))
    if file is None or not file.content:
        raise _invalid("file is missing or empty; send the sound as a part with this name and a filename", "file")
    return Form(texts, len(file.content), hashlib.sha256(file.content).hexdigest())


def _parts(raw: bytes, content_type: bytes) -> list[_Part]:
    found = _BOUNDARY.fullmatch(content_type)
    if found is None:
        raise _invalid("the Content-Type must be multipart/form-data with a boundary, and nothing else")
    mark = b"--" + found[2]
    marks = raw.count(mark)
    if marks > MOST_PARTS + 1:
        raise _invalid(f"the form has more than {MOST_PARTS} parts")
    if not raw.startswith(mark) or not raw.endswith((mark + b"--", mark + b"--\r\n")):
        raise _invalid("the form does not begin and end with its boundary")
    parts = _Parts()
    try:
        parts.read(raw, found[2])
    except FormParserError as error:
        raise _invalid(f"the form cannot be read: {error}") from error
    # A boundary where this parser sees none may be one to another.
    if not parts.ended or marks != len(parts.found) + 1:
        raise _invalid("the form is not whole, or has its boundary within a part")
    return parts.found


def _disposition(part: _Part) -> tuple[str, bool]:
    """Give the name of a part, and whether it is a file."""
    found = _DISPOSITION.fullmatch(part.header(b"content-disposition"))
    pairs = [(name.lower(), value) for name, value in _PARAMETER.findall(found[1])] if found else []
    stated = dict(pairs)
    name = stated.get(b"name", b"").strip(b'"')
    if len(stated) < len(pairs) or not _NAME.fullmatch(name):
        raise _invalid('a part of the form needs Content-Disposition: form-data; name="…", each parameter once')
    if part.header(b"content-transfer-encoding").lower() not in (b"", *_AS_IT_IS):
        raise _invalid(f"the part {name.decode()!r} has a Content-Transfer-Encoding; send it as it is")
    return name.decode(), len(stated) > 1


def _text(name: str, part: _Part) -> str:
    typed = part.header(b"content-type").lower()
    if b"charset" in typed and b"utf-8" not in typed:
        raise _invalid(f"{name} must be in UTF-8", name)
    try:
        return str(part.content, "utf-8")
    except UnicodeDecodeError as error:
        raise _invalid(f"{name} is not valid UTF-8", name) from error


def _put(texts: dict[str, str | list[str]], name: str, text: str) -> None:
    if len(text) > MOST_TEXT_BYTES:
        raise _invalid(f"{name} is longer than {MOST_TEXT_BYTES} characters", name)
    if name.endswith("[]"):
        many = texts.setdefault(name, [])
        assert isinstance(many, list)  # noqa: S101 (only such a name has a list)
        many.append(text)
    else:
        texts[name] = text


def _invalid(message: str, parameter: str = "") -> Refused:
    return Refused(Code.INVALID_JSON, message, extra={"parameter": parameter} if parameter else {})
