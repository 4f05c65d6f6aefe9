"""The secret of the gateways that share a store: never used as it is, but by keys that are derived from it."""

import hashlib
import hmac
from collections.abc import Sequence

#: Fewer characters could be guessed by whoever has seen one address that was signed with them.
LEAST_CHARACTERS = 32


class Secret:
    """One or more texts: the first is the present one, the others are still accepted while they are replaced."""

    def __init__(self, texts: Sequence[str]) -> None:
        if not texts or any(len(text) < LEAST_CHARACTERS for text in texts):
            raise ValueError(f"a secret has at least {LEAST_CHARACTERS} characters; openssl rand -hex 32 makes one")
        self.texts = tuple(texts)

    def __repr__(self) -> str:
        return f"Secret({len(self.texts)} hidden)"

    def keys(self, purpose: str) -> tuple[bytes, ...]:
        """Derive the keys for a purpose, 32 bytes each; what one purpose shows tells nothing of another."""
        return tuple(hmac.digest(text.encode(), purpose.encode(), hashlib.sha256) for text in self.texts)
