"""A tenant's webhook: where it wants to be told of its prediction's end."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address, and the secret that is sent to it verbatim (empty for none); the secret is never shown."""

    url: str
    secret: str = field(default="", repr=False)

    @property
    def origin(self) -> str:
        """Give the host and port: what is slow together."""
        return urlsplit(self.url).netloc
