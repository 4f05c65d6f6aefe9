"""Writing: a request as the bytes that are sent. What cannot be sent is refused before a connection is taken."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from gateway.upstream.client import NotSent, Outgoing

_PORTS = {"http": 80, "https": 443}
#: What the client writes itself; a second one would let two readers see two requests.
FRAMING = frozenset((b"host", b"content-length", b"transfer-encoding", b"connection", b"expect", b"upgrade"))
#: Header fields as RFC 9110 has them: no blank around a value, no control character in it.
_FIELDS = re.compile(
    rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+: (?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?\r\n)*"
)
#: What may stand in a path or query as it is (RFC 3986); the rest is percent-encoded.
_PLAIN = "!$%&'()*+,-./:;=?@_~[]"
_TARGET = re.compile(r"/[!$%&'()*+,\-./:;=?@_~\[\]0-9A-Za-z]*")
_WITH_LENGTH = ("POST", "PUT", "PATCH")


class Origin(NamedTuple):
    """Whom a connection leads to: `host` without brackets, in ASCII."""

    secure: bool
    host: str
    port: int


@lru_cache(maxsize=256)
def read_origin(origin: str) -> tuple[Origin, bytes]:
    """Read what stands before the path of an address; gives the value of Host too. Raises NotSent."""
    try:
        parts = urlsplit(origin)
        name = (parts.hostname or "").encode("idna" if not origin.isascii() else "ascii").decode()
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError) as error:
        raise NotSent(f"{origin[:200]!r} is no address of an HTTP server") from error
    if not name or "@" in parts.netloc:
        raise NotSent(f"the address {parts.scheme}:// names no host, or holds credentials")
    host = f"[{name}]" if ":" in name else name
    shown = host if port == _PORTS[parts.scheme] else f"{host}:{port}"
    return Origin(parts.scheme == "https", name, port), shown.encode()


def split_url(url: str) -> tuple[str, str]:
    """Give (scheme and authority, target) of an address; a fragment is not sent. Raises NotSent."""
    at = url.find("/", url.find("://") + 3)
    origin, target = (url, "/") if at < 0 else (url[:at], url[at:])
    if "://" not in origin or "?" in origin or "#" in origin:
        raise NotSent(f"{url[:200]!r} is no address of an HTTP server")
    if _TARGET.fullmatch(target):
        return origin, target
    try:
        return origin, quote(target.partition("#")[0], safe=_PLAIN)
    except UnicodeEncodeError as error:
        raise NotSent(f"{target[:200]!r} cannot be written into an address") from error


def write_request(request: Outgoing, target: str, host: bytes, *, own_coding: bool) -> bytes:
    """Write head and body; `own_coding` asks for an answer that this client can unpack. Raises NotSent."""
    headers = request.headers
    if isinstance(headers, tuple):
        fields = _written_once(headers, own_coding=own_coding)
    else:
        fields = _write_fields(headers, own_coding=own_coding)
    if request.body or request.method in _WITH_LENGTH:
        fields += b"content-length: %d\r\n" % len(request.body)
    line = f"{request.method} {target} HTTP/1.1\r\n".encode("ascii")
    return b"".join((line, b"host: ", host, b"\r\n", fields, b"\r\n", request.body))


def _write_fields(headers: Iterable[tuple[bytes, bytes]], *, own_coding: bool) -> bytes:
    """Write the headers but for those that frame the request. Raises NotSent."""
    pairs = list(headers)
    names = {name.lower() for name, _ in pairs}
    if not FRAMING.isdisjoint(names):
        raise NotSent(f"the headers frame the request, which is the client's to do: {sorted(FRAMING & names)}")
    if own_coding:
        pairs = [pair for pair in pairs if pair[0].lower() != b"accept-encoding"]
        pairs.append((b"accept-encoding", b"gzip"))
    if b"user-agent" not in names:
        pairs.append((b"user-agent", b"eachlabs-gateway"))
    fields = b"".join([b"%b: %b\r\n" % pair for pair in pairs])
    if not _FIELDS.fullmatch(fields) or fields.count(b"\r\n") != len(pairs):
        raise NotSent("a header cannot be written: a name is no word, or a value has a control character")
    return fields


_written_once = lru_cache(maxsize=256)(_write_fields)
