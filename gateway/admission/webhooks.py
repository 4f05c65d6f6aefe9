"""Webhooks of a create: where the tenant wants to be told, and a body that has upstream tell the gateway."""

import re
from collections.abc import Collection

import msgspec

from gateway.domain.errors import Code, Refused
from gateway.domain.webhook import Webhook
from gateway.upstream.public import NotPublic, check_url

_URL = "webhook_url"
_SECRET = "webhook_secret"  # noqa: S105 (the name of a field)
#: What can stand in the head of a request as it is.
_HEADER_VALUE = re.compile(r"[!-~](?:[ -~]{0,1022}[!-~])?")

_Fields = dict[str, msgspec.Raw]


def read_webhook(raw: bytes, allowed: Collection[str]) -> Webhook | None:
    """Read the webhook of a create that was read before; an empty address means none.

    `allowed` are host:port that may be called though they are not public. Raises Refused (`invalid_input`) for an
    address that is not permitted, and for what is no address or no secret.
    """
    fields = msgspec.json.decode(raw, type=_Fields)
    for name in fields:
        if name.casefold() in (_URL, _SECRET) and name not in (_URL, _SECRET):
            raise _invalid(name, f"is too like {name.casefold()!r}, which some readers take it for; leave it out")
    url, secret = _text(fields, _URL), _text(fields, _SECRET)
    if not url:
        return None
    try:
        check_url(url, allowed)
    except NotPublic as error:
        raise _invalid(_URL, f"cannot be called: {error}; give a public https:// address") from error
    if secret and not _HEADER_VALUE.fullmatch(secret):
        raise _invalid(_SECRET, "must be 1 to 1024 printable ASCII characters, as it is sent in a header")
    return Webhook(url, secret)


def with_address(raw: bytes, address: str) -> bytes:
    """Have upstream call `address`, and give it no secret of the tenant's; every other value keeps its bytes."""
    fields = msgspec.json.decode(raw, type=_Fields)
    fields[_URL] = msgspec.Raw(msgspec.json.encode(address))
    fields.pop(_SECRET, None)
    return msgspec.json.encode(fields)


def _text(fields: _Fields, name: str) -> str:
    try:
        return msgspec.json.decode(fields.get(name, msgspec.Raw(b"null")), type=str | None) or ""
    except msgspec.ValidationError as error:
        raise _invalid(name, "must be a string") from error


def _invalid(name: str, what: str) -> Refused:
    return Refused(Code.INVALID_INPUT, f"{name} {what}", extra={"parameter": name})
