"""Signing: webhooks in the form of Standard Webhooks (https://www.standardwebhooks.com)."""

import base64
import hashlib
import hmac

from gateway.domain.secret import Secret

Headers = list[tuple[bytes, bytes]]


class Signer:
    """Signs with keys that are derived from the gateway's secret, one for each purpose: nothing is to be kept.

    A purpose is what is signed for whom, such as "webhooks of tenant/acme": see Delivery.
    """

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def secrets_of(self, purpose: str) -> list[str]:
        """Give what a receiver verifies with, as `whsec_…`: the present one, and those that the secret replaces."""
        return [f"whsec_{base64.b64encode(key).decode()}" for key in self._secret.keys(purpose)]

    def headers(self, purpose: str, id_: str, at_s: int, body: bytes) -> Headers:
        """Sign a body; `at_s` is the time of the attempt, in seconds since the epoch.

        There is one signature for each secret that is in force, so that a receiver may change over when it likes.
        """
        signed = f"{id_}.{at_s}.".encode() + body
        digests = [hmac.digest(key, signed, hashlib.sha256) for key in self._secret.keys(purpose)]
        signatures = b" ".join(b"v1," + base64.b64encode(digest) for digest in digests)
        return [
            (b"webhook-id", id_.encode()),
            (b"webhook-timestamp", str(at_s).encode()),
            (b"webhook-signature", signatures),
        ]
