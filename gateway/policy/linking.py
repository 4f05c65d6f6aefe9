"""Linking tenants to their parents and their account, and their keys into one keyring."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from gateway.domain.limit import Mode
from gateway.policy.policy import Account, Principal, Tenant, principal
from gateway.policy.problems import suggestion
from gateway.policy.tenants import OwnKey, OwnTenant


class Family:
    """The tenants of a policy, able to say who is above whom.

    `tenants` are those that could be compiled; `known_tenants` and `known_accounts` name those as well that are
    declared but broken, so that one mistake is not reported again by everyone who refers to it. Where not the
    `whole` folder could be read, nobody is blamed for a name that may be in the rest.
    """

    def __init__(
        self,
        tenants: Mapping[str, OwnTenant],
        known_tenants: frozenset[str],
        known_accounts: frozenset[str],
        *,
        whole: bool = True,
    ) -> None:
        self._tenants = tenants
        self._known_tenants = known_tenants
        self._known_accounts = known_accounts
        self._whole = whole

    def check(self) -> None:
        """Report everything that does not link."""
        for name, tenant in self._tenants.items():
            self._check_parent(name, tenant)
            self._check_account(tenant)
        self._check_digests()

    def link(self, accounts: Mapping[str, Account]) -> tuple[Mapping[str, Tenant], Mapping[bytes, Principal]]:
        """Give the tenants with all that they inherit, and the keyring; only after a check without reports."""
        linked = {name: self._linked(name, accounts) for name in self._tenants}
        keyring = {
            key.digest: principal(linked[name], key.id, key.limits, key.expires_us, key.revoked)
            for name, tenant in self._tenants.items()
            for key in tenant.keys
        }
        return MappingProxyType(linked), MappingProxyType(keyring)

    def _chain(self, name: str) -> tuple[str, ...]:
        """Go up from a tenant, itself first: to the top, to a parent that is missing or broken, or once round."""
        chain: dict[str, None] = {}
        step: str | None = name
        while step is not None and step in self._tenants and step not in chain:
            chain[step] = None
            step = self._tenants[step].document.parent
        return tuple(chain)

    def _account(self, name: str) -> str | None:
        """Find a tenant's account: its own word, else the nearest parent's, else the only one there is."""
        for step in self._chain(name):
            account = self._tenants[step].document.account
            if account is not None:
                return account
        return next(iter(self._known_accounts)) if len(self._known_accounts) == 1 else None

    def _check_parent(self, name: str, tenant: OwnTenant) -> None:
        parent = tenant.document.parent
        if parent is None:
            return
        if parent not in self._known_tenants:
            if self._whole:
                tenant.spot.report(f"{parent!r} is not a tenant{suggestion(parent, self._known_tenants)}", "parent")
            return
        chain = self._chain(name)
        if self._tenants[chain[-1]].document.parent == name:
            tenant.spot.report(f"goes round in a circle: {' → '.join((*chain, name))}", "parent")

    def _check_account(self, tenant: OwnTenant) -> None:
        own, parent = tenant.document.account, tenant.document.parent
        if not self._whole and own not in self._known_accounts:
            return
        above = self._account(parent) if parent is not None else None
        if own is None:
            if parent is None and len(self._known_accounts) > 1:
                tenant.spot.report(f"is missing; use one of {', '.join(sorted(self._known_accounts))}", "account")
        elif own not in self._known_accounts:
            tenant.spot.report(f"{own!r} is not an account{suggestion(own, self._known_accounts)}", "account")
        elif above in self._known_accounts and above != own:
            tenant.spot.report(f"{own!r} is not the account of parent {parent!r}, which is in {above!r}", "account")

    def _check_digests(self) -> None:
        """Report a digest that stands twice: its holder would be two at once."""
        first: dict[bytes, tuple[str, OwnKey]] = {}
        for name, tenant in self._tenants.items():
            for key in tenant.keys:
                other, same = first.setdefault(key.digest, (name, key)) if key.digest else (name, key)
                if same is not key:
                    key.spot.report(f"is also the digest of key {same.id!r} of tenant {other!r}", "sha256")

    def _linked(self, name: str, accounts: Mapping[str, Account]) -> Tenant:
        chain = self._chain(name)
        account = accounts[self._account(name) or ""]
        steps = [self._tenants[step] for step in chain]
        return Tenant(
            id=name,
            account=account,
            chain=chain,
            weight=steps[0].document.weight,
            guards=tuple(guard for step in steps for guard in step.guards),
            alerts=tuple(alert for step in steps for alert in step.alerts),
            allow=_lists(steps, Mode.ENFORCE),
            watched=_lists(steps, Mode.SHADOW),
            limits=tuple(limit for step in steps for limit in step.limits) + account.limits,
        )


def _lists(steps: Sequence[OwnTenant], mode: Mode) -> tuple[tuple[str, ...], ...]:
    """Give the lists of models of those tenants of a chain that are in a mode."""
    return tuple(
        step.document.models for step in steps if step.document.models is not None and step.document.mode is mode
    )
