"""Authentication: the tenant's key, by its digest; one answer for every key that opens nothing."""

import hashlib
from collections.abc import Iterable, Mapping

from gateway.domain.errors import Code, Refused
from gateway.policy import Principal

_BEARER = b"bearer "


def authenticate(
    keyring: Mapping[bytes, Principal], headers: Iterable[tuple[bytes, bytes]], now_us: int
) -> Principal:
    """Find whose key a request carries, in `X-API-Key` or as a Bearer token; both must be the same key.

    `now_us` is the time for expiry, in microseconds since the epoch. Raises Refused (`invalid_key`), with one
    message for a missing, unknown, expired or revoked key, so that the answer tells nothing about a guess.
    """
    secrets = set(_secrets(headers))
    principal = keyring.get(hashlib.sha256(secrets.pop()).digest()) if len(secrets) == 1 else None
    if principal is None or principal.revoked or _expired(principal, now_us):
        raise Refused(
            Code.INVALID_KEY,
            "the key is missing or not valid; send it as X-API-Key, or as Authorization: Bearer",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return principal


def _secrets(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[bytes]:
    """Give every secret in the headers; an Authorization of another scheme counts as a wrong one."""
    for name, value in headers:
        if name == b"x-api-key":
            yield value.strip()
        elif name == b"authorization":
            yield value[len(_BEARER) :].strip() if value[: len(_BEARER)].lower() == _BEARER else b""


def _expired(principal: Principal, now_us: int) -> bool:
    return principal.expires_us is not None and now_us >= principal.expires_us
