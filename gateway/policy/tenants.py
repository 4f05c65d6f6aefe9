"""Compiling what a tenant says of itself; what its parents and its account add comes when they are linked."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from gateway.domain.limit import Guard, Limit, Mode, key_scope, tenant_scope
from gateway.policy.alerts import compile_alerts
from gateway.policy.documents import TenantDocument, TenantKeyDocument
from gateway.policy.keys import digest
from gateway.policy.limits import compile_guards, compile_limits
from gateway.policy.policy import AlertAddress
from gateway.policy.problems import Spot
from gateway.policy.rules import check_id, read_instant, read_zone

_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class OwnKey:
    """A key as its tenant states it; `digest` is the raw SHA-256 of its secret."""

    id: str
    digest: bytes
    expires_us: int | None
    revoked: bool
    limits: tuple[Limit, ...]
    spot: Spot


@dataclass(frozen=True, slots=True)
class OwnTenant:
    """A tenant without what it inherits."""

    document: TenantDocument
    limits: tuple[Limit, ...]
    guards: tuple[Guard, ...]
    keys: tuple[OwnKey, ...]
    alerts: tuple[AlertAddress, ...]
    spot: Spot


def compile_tenant(document: TenantDocument, spot: Spot) -> OwnTenant:
    """Compile a tenant on its own."""
    check_id(document.id, spot)
    _check_models(document, spot)
    zone = read_zone(document.timezone, spot)
    scope = tenant_scope(document.id)
    return OwnTenant(
        document=document,
        limits=compile_limits(document.limit, document.grant, scope, zone, spot, document.mode),
        guards=compile_guards(document.guard, scope, spot, document.mode),
        keys=_keys(document, zone, spot),
        alerts=compile_alerts(document.alert, scope, spot),
        spot=spot,
    )


def _check_models(document: TenantDocument, spot: Spot) -> None:
    if document.models is not None and not all(document.models or [""]):
        spot.report('allows no model; leave it out to allow every one, or list globs such as "flux-*"', "models")


def _keys(document: TenantDocument, zone: ZoneInfo, tenant: Spot) -> tuple[OwnKey, ...]:
    keys: list[OwnKey] = []
    for position, key in enumerate(document.key):
        spot = tenant.entry("key", position, key.id)
        check_id(key.id, spot)
        if any(key.id == other.id for other in keys):
            spot.report("is a second key of that id in this tenant")
        keys.append(_key(key, key_scope(document.id, key.id), zone, spot, document.mode))
    return tuple(keys)


def _key(document: TenantKeyDocument, scope: str, zone: ZoneInfo, spot: Spot, mode: Mode) -> OwnKey:
    return OwnKey(
        id=document.id,
        digest=_digest(document.sha256, spot),
        expires_us=read_instant(document.expires, "expires", spot),
        revoked=document.revoked,
        limits=compile_limits(document.limit, document.grant, scope, zone, spot, mode),
        spot=spot,
    )


def _digest(text: str, spot: Spot) -> bytes:
    text = text.lower()
    if len(text) != 64 or not _HEX.issuperset(text):
        spot.report("is not a SHA-256 in 64 hex digits; `gateway keys new` prints one", "sha256")
        return b""
    if text == digest("").hex():
        spot.report("is the SHA-256 of an empty text, which is nobody's key", "sha256")
    return bytes.fromhex(text)
