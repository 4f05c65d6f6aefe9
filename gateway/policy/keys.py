"""Keys of tenants: made here, shown once, and known afterwards only by their SHA-256.

A key is `elg_`, 43 characters of chance (32 bytes in base 62) and 6 of a CRC-32 over those, so that scanners of
repositories recognise one and a slip of the pen is told from a wrong key. Keys of another form, made by the operator,
work as well: only the SHA-256 decides.
"""

import hashlib
import re
import secrets
import string
import zlib
from datetime import UTC, datetime

from gateway.policy.rules import is_id

PREFIX = "elg_"
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BODY, _CHECKSUM = 43, 6
_FORM = re.compile(rf"{PREFIX}([0-9A-Za-z]{{{_BODY}}})([0-9A-Za-z]{{{_CHECKSUM}}})")


def new_secret() -> str:
    """Make the secret of a key from 32 bytes of the system's chance."""
    body = _base62(secrets.randbits(256), _BODY)
    return PREFIX + body + _checksum(body)


def well_formed(secret: str) -> bool:
    """Tell whether a text is as `new_secret` makes them: form and checksum; it says nothing about who knows it."""
    match = _FORM.fullmatch(secret)
    return match is not None and _checksum(match[1]) == match[2]


def digest(secret: str) -> bytes:
    """Give the raw SHA-256 of a secret, 32 bytes, by which the keyring knows it.

    No salt and no slow hash: a secret of 256 bits cannot be guessed, and this is done on every request.
    """
    return hashlib.sha256(secret.encode()).digest()


def key_toml(key_id: str, secret: str, expires: datetime | None = None) -> str:
    """Write the `[[tenant.key]]` to paste below its `[[tenant]]`; the secret itself is not in it.

    Raises ValueError for what is not an id, and for an `expires` without a time zone.
    """
    if not is_id(key_id):
        raise ValueError(f"not an id: {key_id!r}")
    lines = ["[[tenant.key]]", f'id = "{key_id}"', f'sha256 = "{digest(secret).hex()}"']
    if expires is not None:
        lines.append(f"expires = {moment_toml(expires)}")
    return "\n".join(lines) + "\n"


def moment_toml(moment: datetime) -> str:
    """Write a time as TOML does, in UTC. Raises ValueError for one without a zone."""
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone: {moment.isoformat()}")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECKSUM)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, remainder = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[remainder])
    return "".join(reversed(digits))
