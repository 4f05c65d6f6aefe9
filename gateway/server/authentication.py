"""Authentication: the tenant's key, by its digest; one answer for every key that opens nothing."""

import hashlib
from collections.abc import Iterable, Mapping

from gateway.domain.errors import Code, Refused
from gateway.policy import Principal
from gateway.policy.keys import PREFIX, well_formed

_BEARER = b"bearer "


class InvalidKey(Refused):
    """A request whose key opens nothing. `why` and whose key it was are for the log, never for the client."""

    def __init__(self, why: str, principal: Principal | None = None) -> None:
        super().__init__(
            Code.INVALID_KEY,
            "the key is missing or not valid; send it as X-API-Key, or as Authorization: Bearer",
            headers={"WWW-Authenticate": "Bearer"},
        )
        self.why = why
        self.principal = principal


def authenticate(
    keyring: Mapping[bytes, Principal], headers: Iterable[tuple[bytes, bytes]], now_us: int
) -> Principal:
    """Find whose key a request carries, in `X-API-Key` or as a Bearer token; both must be the same key.

    `now_us` is the time for expiry, in microseconds since the epoch. Raises InvalidKey, with one message for a
    missing, unknown, expired or revoked key, so that the answer tells nothing about a guess.
    """
    secrets = _secrets(headers)
    if len(secrets) != 1:
        raise InvalidKey("two keys that differ" if secrets else "missing")
    secret = secrets.pop()
    principal = keyring.get(hashlib.sha256(secret).digest())
    if principal is None:
        raise InvalidKey(_unknown(secret))
    closed = principal.closed(now_us)
    if closed is not None:
        raise InvalidKey(closed, principal)
    return principal


def _unknown(secret: bytes) -> str:
    """Tell a key that was never right, since its checksum is not, from one that no policy knows."""
    text = secret.decode("latin-1")
    if text.startswith(PREFIX):
        return "unknown" if well_formed(text) else "mistyped"
    return "unknown" if text else "missing"


def _secrets(headers: Iterable[tuple[bytes, bytes]]) -> set[bytes]:
    """Give every secret in the headers; an Authorization of another scheme counts as a wrong one."""
    found = set()
    for name, value in headers:
        if name == b"x-api-key":
            found.add(value.strip())
        elif name == b"authorization":
            found.add(value[len(_BEARER) :].strip() if value[: len(_BEARER)].lower() == _BEARER else b"")
    return found
