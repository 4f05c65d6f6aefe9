"""Addresses of reservations: where upstream is told to call, which nobody can write who has not the secret."""

import base64
import hashlib
import hmac
import re
from urllib.parse import urlsplit

from gateway.domain.secret import Secret

PATH = "/gateway/hooks/"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,100}\.[A-Za-z0-9_-]{43}")


class Addresses:
    """Writes and reads tokens: a reservation's id and a MAC over it and its account.

    A token is no secret, but nobody who was not given it can know it: it proves that its bearer was told of the
    reservation, by us or by upstream. Without a `public_url` no address is given, and tokens are still read.
    """

    def __init__(self, secret: Secret, public_url: str | None = None) -> None:
        self._keys = secret.keys("webhook address")
        self.public_url = public_url

    def of(self, account: str, reservation: str) -> str | None:
        """Give the address for a reservation's webhook; None where the gateway has no public address."""
        if self.public_url is None:
            return None
        return f"{self.public_url}{PATH}{reservation}.{_mac(self._keys[0], account, reservation)}"

    def reservation(self, account: str, token: str) -> str | None:
        """Give the reservation of that account which a token names; None for a token that was not made here."""
        if not _TOKEN.fullmatch(token):
            return None
        reservation, _, mac = token.partition(".")
        # In a time that does not tell how much of a MAC was right.
        right = [hmac.compare_digest(mac, _mac(key, account, reservation)) for key in self._keys]
        return reservation if True in right else None

    def reservation_at(self, account: str, url: str) -> str | None:
        """Give the reservation that an address names, whichever public address it begins with."""
        try:
            path = urlsplit(url).path
        except ValueError:  # half a bracketed address
            return None
        _, found, token = path.rpartition(PATH)
        return self.reservation(account, token) if found else None


def _mac(key: bytes, account: str, reservation: str) -> str:
    digest = hmac.digest(key, f"{account}/{reservation}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
