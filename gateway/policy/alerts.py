"""Compiling where alerts are sent, and finding the address where a variable holds it."""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from gateway.policy.documents import AlertDocument
from gateway.policy.policy import AlertAddress
from gateway.policy.problems import Spot
from gateway.policy.rules import is_variable
from gateway.policy.upstream_secret import SecretMissing


def compile_alerts(documents: Sequence[AlertDocument], scope: str, owner: Spot) -> tuple[AlertAddress, ...]:
    """Compile the addresses of one scope."""
    for position, document in enumerate(documents):
        spot = owner.entry("alert", position, None)
        if bool(document.url) == bool(document.url_env):
            spot.report("needs url or url_env, one of them", of=("url", "url_env"))
        if document.url and not _is_address(document.url):
            spot.report("is not an address; use one such as 'https://example.com/alerts'", "url")
        if document.url_env and not is_variable(document.url_env):
            spot.report("is not the name of an environment variable", "url_env")
    return tuple(AlertAddress(scope, document.url, document.url_env) for document in documents)


def read_address(address: AlertAddress, environ: Mapping[str, str]) -> str:
    """Give the URL of an address. Raises SecretMissing where its variable has none."""
    url = address.url or environ.get(address.url_env or "", "").strip()
    if not _is_address(url):
        place = f"environment variable {address.url_env} holds no address"
        raise SecretMissing(f"the alerts of {address.scope} have nowhere to go: {place}")
    return url


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is no number, or half a bracketed address
        return False
    return fits and url.isascii() and not (parts.fragment or parts.username or re.search(r"\s", url))
