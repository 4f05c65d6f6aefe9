"""Public addresses: which of the addresses that a tenant writes may be contacted at all."""

import ipaddress
import re
from collections.abc import Collection
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from gateway.upstream.client import NotSent

if TYPE_CHECKING:
    import httpx

#: A presigned address has about 2,000 characters.
MOST_CHARACTERS = 8_192
#: Any other port of a public host is none that a webhook or an image is served on.
PORTS = (443, 8443)

_NAME = re.compile(r"(?!.{254})(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{2,63}")
#: RFC 6761, RFC 6762 and ICANN's word for private use: never the name of a public host.
_PRIVATE_NAMES = (".localhost", ".local", ".internal")
#: What `ipaddress` calls global, or does in some versions of Python, and is not: IPv4 inside of IPv6 (6to4, Teredo,
#: NAT64), the 6to4 relays, documentation, and the metadata server of Azure. IANA special-purpose address registries.
_SPECIAL = tuple(
    ipaddress.ip_network(text)
    for text in (
        "168.63.129.16/32",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2001::/23",
        "2002::/16",
        "3fff::/20",
    )
)
#: The only unicast space of IPv6 that is given out; what lies beside it maps, translates or is reserved.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")


class NotPublic(NotSent):
    """The address must not be contacted, and was not. Says why; never which private address a name has."""


class Destination(NamedTuple):
    """Where a URL leads: `host` as ASCII in lower case, an IPv6 address without brackets."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The `host:port` by which a destination is allowed."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def check_url(url: str, allowed: Collection[str] = ()) -> Destination:
    """Say where a tenant's URL leads, without any I/O; the names that it holds are checked when they are resolved.

    `allowed` are destinations (`host:port`) that the operator permits though they are not public, by http too.
    Raises NotPublic.
    """
    if len(url) > MOST_CHARACTERS:
        raise NotPublic(f"the address has more than {MOST_CHARACTERS} characters")
    # Blanks, control characters and backslashes are what two readers of one address disagree about.
    if "\\" in url or any(char.isspace() or not char.isprintable() for char in url):
        raise NotPublic("the address has a blank, a control character or a backslash")
    httpx = import_module("httpx")  # whose reading of an address is the one that counts; see `on_demand`
    try:
        return check_parsed(httpx.URL(url), allowed)
    except (httpx.InvalidURL, ValueError) as error:
        raise NotPublic(f"the address cannot be read: {error}") from error


def check_parsed(url: "httpx.URL", allowed: Collection[str] = ()) -> Destination:
    """Do what `check_url` does, of an address as the HTTP client has read it. Raises NotPublic."""
    host = url.raw_host.decode("ascii")
    port = url.port if url.port is not None else 80 if url.scheme == "http" else 443
    destination = Destination(url.scheme, host, port)
    if url.userinfo or "@" in url.netloc.decode("ascii"):
        raise NotPublic("the address holds credentials")
    if url.scheme in ("http", "https") and destination.authority in allowed:
        return destination
    if url.scheme != "https":
        raise NotPublic("the address does not begin with https://")
    if destination.port not in PORTS:
        raise NotPublic(f"the port is {destination.port}; it must be {' or '.join(map(str, PORTS))}")
    _check_host(host)
    return destination


def is_public(address: str) -> bool:
    """Tell whether an IP address, in its usual spelling, is one of the public internet."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and (parsed.scope_id or parsed not in _GLOBAL_V6):
        return False
    return parsed.is_global and not parsed.is_multicast and not any(parsed in network for network in _SPECIAL)


def _check_host(host: str) -> None:
    """Refuse what can be told from the text of a host alone. Raises NotPublic."""
    # What ends in a number is an address to every resolver: 127.1, 0x7f000001 and 017700000001 too.
    if ":" in host or re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host.rstrip(".").rpartition(".")[2]):
        if not is_public(host):
            raise NotPublic(f"{host} is not a public IP address in its usual spelling")
    elif not _NAME.fullmatch(host) or host.endswith(_PRIVATE_NAMES):
        raise NotPublic(f"{host or 'nothing'} is not the name of a public host")
