"""Terms: what the operator told this gateway of itself, as every worker of it has to know."""

import msgspec


class Terms(msgspec.Struct, frozen=True):
    """What a worker serves by beside the policy; each has what holds where nothing was said.

    `upstream_url` and `upstream_secret` overrule the policy's. `public_url` is where clients and upstream reach this
    gateway; `private_destinations` are host:port that tenants' addresses may lead to though they are not public.
    `journal_days` is how long the journal keeps its entries, None for ever. A worker that is `alone` on its store
    shares with nobody what it sees.
    """

    upstream_url: str | None = None
    upstream_secret: str | None = None
    public_url: str | None = None
    private_destinations: tuple[str, ...] = ()
    journal_days: int | None = None
    alone: bool = False
