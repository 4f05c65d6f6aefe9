"""The queue under simulation: who waits for an upstream slot, and whose turn it is, written down a second time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

SHARE = 1_000_000


class Waiting(NamedTuple):
    """A ticket."""

    tenant: str
    number: int
    worker: str
    idem: tuple[str, str] | None


@dataclass
class Line:
    """All tickets of an account; `touched` once something was changed by the step that runs."""

    tickets: dict[str, Waiting] = field(default_factory=dict)
    leases: dict[str, int] = field(default_factory=dict)
    tags: dict[str, int] = field(default_factory=dict)
    strides: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    reached: int = 0
    last: int = 0
    touched: bool = False

    def lane(self, tenant: str) -> list[str]:
        """Give a tenant's tickets in the order in which they came."""
        return sorted((id_ for id_, each in self.tickets.items() if each.tenant == tenant), key=self.number)

    def number(self, id_: str) -> int:
        return self.tickets[id_].number

    def first(self, key: str) -> str | None:
        """Give the ticket that has an Idempotency-Key."""
        return next((id_ for id_, each in self.tickets.items() if each.idem and each.idem[0] == key), None)

    def drop(self, at: int) -> None:
        """Drop the tickets of workers whose lease is over."""
        lapsed = {worker for worker, until in self.leases.items() if until <= at}
        for worker in lapsed:
            del self.leases[worker]
        self.touched = self.touched or bool(lapsed)
        for id_ in [id_ for id_, each in self.tickets.items() if each.worker in lapsed]:
            self.leave(id_)

    def enter(self, req: Mapping[str, Any], at: int) -> int:
        """Give a create its ticket; returns its number."""
        queue, tenant, self.touched = req["queue"], req["tenant"], True
        self.leases[queue["worker"]] = at + queue["lease_us"]
        if req["id"] not in self.tickets:
            number = queue["number"] or self.last + 1
            self.last = max(self.last, number)
            self.strides[tenant] = max(SHARE // queue["weight"], 1)
            if not self.lane(tenant):
                self.tags[tenant] = max(self.reached, self.ended.pop(tenant, 0))
            idem = tuple(req["idem"]) if req["idem"] else None
            self.tickets[req["id"]] = Waiting(tenant, number, queue["worker"], idem)
        return self.number(req["id"])

    def leave(self, id_: str, *, admitted: bool = False) -> None:
        """Take a ticket out."""
        if id_ not in self.tickets:
            return
        tenant, self.touched = self.tickets.pop(id_).tenant, True
        if not self.tickets:
            self.leases, self.tags, self.strides, self.ended, self.reached, self.last = {}, {}, {}, {}, 0, 0
            return
        if admitted:
            self.reached = max(self.reached, self.tags[tenant])
            self.tags[tenant] += self.strides[tenant]
        if not self.lane(tenant):
            self.ended[tenant] = self.tags.pop(tenant)

    def turns(self, free: int) -> list[str]:
        """Give the tickets whose turn it is, where so many can be admitted."""
        tags, lanes, ids = dict(self.tags), {tenant: self.lane(tenant) for tenant in self.tags}, list[str]()
        order = sorted(tags, key=lambda tenant: (tags[tenant], tenant))
        while len(ids) < free and any(lanes.values()):
            tenant = min((each for each in order if lanes[each]), key=lambda each: tags[each])
            ids.append(lanes[tenant].pop(0))
            tags[tenant] += self.strides[tenant]
        return ids
