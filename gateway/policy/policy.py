"""The compiled policy: one frozen whole, in which everything a request needs is looked up and nothing worked out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from types import MappingProxyType

from gateway.domain.limit import Guard, Limit, account_scope, key_scope, tenant_scope
from gateway.policy.rules import is_id
from gateway.pricing import Model

_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class UpstreamKey:
    """A key of an upstream account: where its secret is, never the secret; and how much upstream lets it do."""

    id: str
    secret_env: str | None
    secret_file: str | None
    creates_per_minute: int
    concurrent: int


@dataclass(frozen=True, slots=True)
class AlertAddress:
    """Where alerts of a scope, and of those below it, are sent: a URL, or the variable that holds it."""

    scope: str
    url: str | None
    url_env: str | None

    def __str__(self) -> str:
        return f"${self.url_env}" if self.url is None else self.url.partition("?")[0]


@dataclass(frozen=True, slots=True)
class Account:
    """An upstream account.

    `base_url` has no slash at its end. `unpriced` is the hold, in units of 1e-8 USD, of a create whose model has no
    price; None refuses it. `create_timeout_seconds` is how long a create waits for upstream's answer before it is
    in doubt.
    """

    id: str
    base_url: str
    auth_header: str
    unpriced: int | None
    queue_seconds: float
    in_doubt_hours: float
    create_timeout_seconds: float = field(default=30, kw_only=True)
    keys: tuple[UpstreamKey, ...]
    limits: tuple[Limit, ...]
    alerts: tuple[AlertAddress, ...] = ()


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant with all that binds it.

    `chain` is its own id, its parent's and so on up; `guards` are those of the whole chain; `allow` has one list of
    globs for each tenant of the chain that has one, `watched` one for each that has one and is a shadow; `limits` are
    its own, its parents' and the account's, in that order; `alerts` its own and its parents'.
    """

    id: str
    account: Account
    chain: tuple[str, ...]
    weight: int
    guards: tuple[Guard, ...]
    allow: tuple[tuple[str, ...], ...]
    limits: tuple[Limit, ...]
    watched: tuple[tuple[str, ...], ...] = ()
    alerts: tuple[AlertAddress, ...] = ()

    def allows(self, model: str) -> bool:
        """Tell whether every list of the chain has a glob for the model; without lists every model is allowed."""
        return _in_every(self.allow, model)

    def would_allow(self, model: str) -> bool:
        """Tell whether every list that is only watched has a glob for the model."""
        return _in_every(self.watched, model)


def _in_every(lists: tuple[tuple[str, ...], ...], model: str) -> bool:
    return not lists or all(any(fnmatchcase(model, glob) for glob in globs) for globs in lists)


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever holds one key of a tenant.

    `limits` are the key's own, then all of the tenant's; `scopes` are those of the key, the tenant, its parents and
    the account, in that order. `expires_us` is in microseconds since the epoch.
    """

    tenant: Tenant
    key: str
    limits: tuple[Limit, ...]
    scopes: tuple[str, ...]
    expires_us: int | None
    revoked: bool

    def closed(self, now_us: int) -> str | None:
        """Say why the key opens nothing at a time (microseconds since the epoch); None where it works."""
        if self.revoked:
            return "revoked"
        return "expired" if self.expires_us is not None and self.expires_us <= now_us else None


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything the policy files say; `keyring` is by the raw SHA-256 of a key's secret, 32 bytes.

    `version` names the content: the same entries in other files or another order of files have the same version.
    """

    version: str
    accounts: Mapping[str, Account]
    tenants: Mapping[str, Tenant]
    models: Mapping[str, Model]
    keyring: Mapping[bytes, Principal]

    @property
    def all_alert_addresses(self) -> tuple[AlertAddress, ...]:
        """Every address to which alerts may go; a tenant repeats those of its parents."""
        tenants = (alert for tenant in self.tenants.values() for alert in tenant.alerts)
        return (*(alert for account in self.accounts.values() for alert in account.alerts), *tenants)

    def alert_addresses(self, account: str, scope: str) -> tuple[AlertAddress, ...]:
        """Give where the alerts of a scope go: to its tenant's, that one's parents' and the account's addresses."""
        owner = self.accounts[account]
        tenant = self.tenants.get(scope.split("/")[1]) if scope != account_scope(account) else None
        return (*(tenant.alerts if tenant else ()), *owner.alerts)

    def limits(self, account: str) -> tuple[Limit, ...]:
        """Give every limit that is counted in an account's ledger, once, though tenants share those of parents."""
        owners: tuple[Account | Tenant | Principal, ...] = (
            self.accounts[account],
            *(tenant for tenant in self.tenants.values() if tenant.account.id == account),
            *(each for each in self.keyring.values() if each.tenant.account.id == account),
        )
        once = {(limit.scope, limit.id): limit for owner in owners for limit in owner.limits}
        return tuple(once.values())


def principal(
    tenant: Tenant, key: str, limits: tuple[Limit, ...] = (), expires_us: int | None = None, revoked: bool = False
) -> Principal:
    """Put a key on top of its tenant's limits and scopes."""
    parents = tuple(tenant_scope(each) for each in tenant.chain)
    scopes = (key_scope(tenant.id, key), *parents, account_scope(tenant.account.id))
    return Principal(tenant, key, limits + tenant.limits, scopes, expires_us, revoked)


def with_key(policy: Policy, tenant: str, key: str, sha256_hex: str) -> Policy:
    """Add a key that was made on this machine; the version stays, since the files are as they were.

    A key that the files have already keeps what they say of it: they may have revoked it. Raises ValueError for an
    unknown tenant, and for what is not an id or a SHA-256.
    """
    if tenant not in policy.tenants:
        raise ValueError(f"no tenant {tenant!r} in the policy files")
    digest = bytes.fromhex(sha256_hex)
    if len(digest) != _DIGEST_BYTES or not is_id(key):
        raise ValueError(f"not a key: id {key!r} with a digest of {len(digest)} bytes")
    added = {digest: principal(policy.tenants[tenant], key)}
    return replace(policy, keyring=MappingProxyType(added | dict(policy.keyring)))
