"""The parts that a worker's routes are made of, put together once by the command line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.admission.admission import Admission
from gateway.ledger.ledger import Ledger
from gateway.ledger.views import Views
from gateway.policy import Policy, Principal
from gateway.server.authentication import authenticate
from gateway.server.owners import Owners
from gateway.server.recording import Recorder
from gateway.settlement.settlement import Settlement
from gateway.telemetry import Telemetry
from gateway.upstream.eachlabs import Eachlabs
from gateway.upstream.headers import Headers


@dataclass(frozen=True, slots=True)
class AccountParts:
    """What belongs to one upstream account."""

    ledger: Ledger
    views: Views
    upstream: Eachlabs
    settlement: Settlement


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a route needs; `wall_clock_us` is used for the expiry of keys and nothing else."""

    policy: Policy
    accounts: Mapping[str, AccountParts]
    admission: Admission
    owners: Owners
    recorder: Recorder
    telemetry: Telemetry
    wall_clock_us: Callable[[], int]
    public_url: str | None = None

    def authenticate(self, headers: Headers) -> Principal:
        """Find whose key a request carries. Raises Refused (`invalid_key`)."""
        return authenticate(self.policy.keyring, headers, self.wall_clock_us())

    def account_of(self, principal: Principal) -> AccountParts:
        """Give the parts of the account that a tenant's creates go to."""
        return self.accounts[principal.tenant.account.id]
