"""Headers: what travels from the client to upstream and back, and what must not."""

from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]

#: RFC 9110, section 7.6.1, and the older names that still occur.
HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
#: The tenant's credentials and what the gateway says itself.
_NEVER_SENT = HOP_BY_HOP | {
    b"host",
    b"x-api-key",
    b"authorization",
    b"cookie",
    b"content-length",
    b"content-encoding",
    b"expect",
    b"idempotency-key",
    b"prefer",
    b"x-request-id",
}
#: Upstream's own limits are the operator's affair; the rest is written anew by the server that answers.
_NEVER_RETURNED = HOP_BY_HOP | {b"content-length", b"date", b"server", b"set-cookie", b"x-request-id", b"alt-svc"}
_LIMIT_PREFIXES = (b"ratelimit", b"x-ratelimit")


def outgoing(headers: Iterable[tuple[bytes, bytes]], auth_header: str, secret: str, request_id: str) -> Headers:
    """Make the headers for upstream: the client's own, without hop-by-hop ones, with the account's credential."""
    value = f"Bearer {secret}" if auth_header.lower() == "authorization" else secret
    # Servers hand over a value with the blanks behind it, which HTTP does not count as part of it.
    pairs = [(name, content.strip(b" \t")) for name, content in _end_to_end(headers) if name not in _NEVER_SENT]
    return [*pairs, (auth_header.lower().encode(), value.encode()), (b"x-request-id", request_id.encode())]


def returned(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Take of upstream's headers what the client may see; names in lower case."""
    return [
        pair
        for pair in _end_to_end(headers)
        if pair[0] not in _NEVER_RETURNED and not pair[0].startswith(_LIMIT_PREFIXES)
    ]


def _end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Drop what the Connection header names, since it speaks of this hop only; names in lower case."""
    pairs = [(name.lower(), value) for name, value in headers]
    if b"connection" not in dict(pairs):
        return pairs
    named = [value for name, value in pairs if name == b"connection"]
    dropped = {token.strip().lower() for value in named for token in value.split(b",")}
    return [pair for pair in pairs if pair[0] not in dropped]
