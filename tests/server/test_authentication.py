"""Whose key a request carries; one answer for every key that opens nothing."""

import hashlib
from dataclasses import replace

import pytest
from admission.conftest import holder

from gateway.domain.errors import Code, Refused
from gateway.policy import Principal
from gateway.policy.keys import new_secret
from gateway.server.authentication import InvalidKey, authenticate

SECRET, OTHER, EXPIRING, REVOKED = b"elg_secret", b"elg_other", b"elg_expiring", b"elg_revoked"
EXPIRES_US = 2_000_000_000_000_000
KEYRING: dict[bytes, Principal] = {
    hashlib.sha256(secret).digest(): replace(holder(), key=secret.decode(), **more)
    for secret, more in (
        (SECRET, {}),
        (OTHER, {}),
        (EXPIRING, {"expires_us": EXPIRES_US}),
        (REVOKED, {"revoked": True}),
    )
}


def who(*headers: tuple[bytes, bytes], now_us: int = EXPIRES_US) -> str:
    return authenticate(KEYRING, headers, now_us).key


@pytest.mark.parametrize(
    "headers",
    [
        [(b"x-api-key", SECRET)],
        [(b"authorization", b"Bearer " + SECRET)],
        [(b"authorization", b"bEARER   " + SECRET + b" ")],
        [(b"x-api-key", b" \t" + SECRET + b" ")],
        [(b"x-api-key", SECRET), (b"authorization", b"Bearer " + SECRET)],
        [(b"x-api-key", SECRET), (b"x-api-key", SECRET)],
        [(b"accept", b"*/*"), (b"x-api-key", SECRET), (b"cookie", OTHER)],
    ],
)
def test_a_key_opens_in_either_header(headers: list[tuple[bytes, bytes]]) -> None:
    assert who(*headers) == SECRET.decode()


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"x-api-key", b"")],
        [(b"x-api-key", b"  ")],
        [(b"authorization", b"")],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"Bearer ")],
        [(b"authorization", SECRET)],
        [(b"authorization", b"Basic " + SECRET)],
        [(b"authorization", b"Bearer" + SECRET)],
        [(b"authorization", b"Bearer\t" + SECRET)],
        [(b"authorization", b"Token " + SECRET), (b"x-api-key", SECRET)],
        [(b"x-api-key", SECRET), (b"authorization", b"Bearer " + OTHER)],
        [(b"x-api-key", SECRET), (b"x-api-key", OTHER)],
        [(b"x-api-key", b""), (b"authorization", b"Bearer " + SECRET)],
        [(b"x-api-key", SECRET + b"," + SECRET)],
        [(b"x-api-key", SECRET.upper())],
        [(b"x-api-key", SECRET + b"\x00")],
        [(b"x-api-key", hashlib.sha256(SECRET).hexdigest().encode())],
        [(b"x-api-key", hashlib.sha256(SECRET).digest())],
        [(b"cookie", SECRET), (b"x-api-key-2", SECRET)],
        [(b"x-api-key", REVOKED)],
        [(b"x-api-key", EXPIRING)],
    ],
)
def test_every_key_that_opens_nothing_is_answered_alike(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(Refused) as caught:
        who(*headers)
    refused = caught.value
    assert (refused.code, refused.headers) == (Code.INVALID_KEY, {"WWW-Authenticate": "Bearer"})
    assert (refused.message, refused.details, refused.extra) == (str(refused), "", {})
    with pytest.raises(Refused, match=f"^{refused.message}$"):
        who()


def test_a_key_opens_until_the_instant_of_its_expiry_and_not_at_it() -> None:
    assert who((b"x-api-key", EXPIRING), now_us=EXPIRES_US - 1) == EXPIRING.decode()
    with pytest.raises(Refused):
        who((b"x-api-key", EXPIRING), now_us=EXPIRES_US)


@pytest.mark.parametrize(
    ("headers", "why", "whose"),
    [
        ([], "missing", None),
        ([(b"x-api-key", b" ")], "missing", None),
        ([(b"x-api-key", SECRET), (b"x-api-key", OTHER)], "two keys that differ", None),
        ([(b"x-api-key", b"hello")], "unknown", None),
        ([(b"x-api-key", new_secret().encode())], "unknown", None),
        ([(b"x-api-key", new_secret()[:-1].encode() + b"!")], "mistyped", None),
        ([(b"x-api-key", new_secret()[:40].encode())], "mistyped", None),
        ([(b"x-api-key", REVOKED)], "revoked", REVOKED),
        ([(b"x-api-key", EXPIRING)], "expired", EXPIRING),
    ],
)
def test_the_operator_is_told_why_and_whose_key_it_was(
    headers: list[tuple[bytes, bytes]], why: str, whose: bytes | None
) -> None:
    with pytest.raises(InvalidKey) as caught:
        who(*headers)
    principal = caught.value.principal
    assert (caught.value.why, principal and principal.key.encode()) == (why, whose)
