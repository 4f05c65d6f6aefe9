"""Signing: webhooks for tenants in the form of Standard Webhooks (https://www.standardwebhooks.com)."""

import base64
import hashlib
import hmac

from gateway.domain.secret import Secret

Headers = list[tuple[bytes, bytes]]


class Signer:
    """Signs for every tenant with keys of its own, derived from the gateway's secret: nothing is to be kept."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def secrets_of(self, tenant: str) -> list[str]:
        """Give what a tenant verifies with, as `whsec_…`: the present one, and those that the secret replaces."""
        return [f"whsec_{base64.b64encode(key).decode()}" for key in self._keys(tenant)]

    def headers(self, tenant: str, id_: str, at_s: int, body: bytes) -> Headers:
        """Sign a body; `at_s` is the time of the attempt, in seconds since the epoch.

        There is one signature for each secret that is in force, so that a tenant may change over when it likes.
        """
        signed = f"{id_}.{at_s}.".encode() + body
        digests = [hmac.digest(key, signed, hashlib.sha256) for key in self._keys(tenant)]
        signatures = b" ".join(b"v1," + base64.b64encode(digest) for digest in digests)
        return [
            (b"webhook-id", id_.encode()),
            (b"webhook-timestamp", str(at_s).encode()),
            (b"webhook-signature", signatures),
        ]

    def _keys(self, tenant: str) -> tuple[bytes, ...]:
        return self._secret.keys(f"webhooks of tenant/{tenant}")
