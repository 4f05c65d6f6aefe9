"""Wishes: recorded creates, and what another policy makes of them before it asks the ledger.

Of what was asked for, only that is recorded on which a price depends. By it a create is priced again where the price
has another version, and what is not recorded counts as left out; guards on other parameters are not judged.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from gateway.admission.guards import broken_guards
from gateway.domain.errors import Code, Refused
from gateway.domain.limit import Guard, Mode
from gateway.policy import Policy, Principal
from gateway.pricing import Model, Quote, price_rule, quote
from gateway.pricing.facts import read_facts


@dataclass(frozen=True, slots=True)
class Wish:
    """A recorded create: what it asked the ledger for, and what came of it then.

    Money in units of 1e-8 USD, 0 where it had no price; `facts` are what of its input decided the price.
    """

    id: str
    at_us: int
    tenant: str
    key: str
    model: str
    price_version: str
    estimate: int
    hold: int
    then: str
    facts: str = ""


class Undecidable(Exception):
    """Says why a create cannot be decided again."""


def quote_again(policy: Policy, principal: Principal, wish: Wish, notes: Counter[str]) -> Quote:
    """Give what is to be held of a create by another policy, and judge its guards as far as they can be.

    What could not be told for sure is counted in `notes`. Raises Refused and Undecidable.
    """
    quoted, input = _quote(policy, principal, wish, notes)
    model = policy.models.get(wish.model)
    guards = [guard for guard in principal.tenant.guards if guard.mode is Mode.ENFORCE]
    known = [guard for guard in guards if _is_known(guard, model, quoted)]
    if len(known) < len(guards):
        notes["creates have guards on parameters that are not recorded"] += 1
    if any(broken_guards(known, input, model, quoted)):
        raise Refused(Code.PARAMETER_NOT_ALLOWED, "a parameter is outside its bound")
    return quoted


def _quote(policy: Policy, principal: Principal, wish: Wish, notes: Counter[str]) -> tuple[Quote, Mapping[str, Any]]:
    """Price a create as it was, or by a price of another version; gives what is known of its input too."""
    if not principal.tenant.allows(wish.model):
        raise Refused(Code.MODEL_NOT_ALLOWED, "the model is not in the list")
    model = policy.models.get(wish.model)
    recorded = Quote(wish.model, wish.price_version, wish.estimate, wish.hold, (), (), {})
    if model is not None and (model.price is not None or not model.price_confirmed):
        price_rule(model)
        if not wish.hold:
            raise Undecidable("its model had no price then, and what it asked for is not recorded")
        return _priced(model, wish, recorded, notes) if wish.price_version else (recorded, {})
    unpriced = principal.tenant.account.unpriced
    if unpriced is None:
        raise Refused(Code.MODEL_UNPRICED, "the model has no price")
    return Quote(wish.model, "", unpriced, unpriced, (), (), {}), {}


def _priced(model: Model, wish: Wish, recorded: Quote, notes: Counter[str]) -> tuple[Quote, Mapping[str, Any]]:
    try:
        facts = read_facts(model, wish.facts)
    except ValueError:  # written of a model of that name whose price depended on something else
        notes["creates keep the price that they had, since what decides it now is not recorded"] += 1
        return recorded, {}
    found = quote(model, facts.input, facts.sources)
    if wish.price_version == model.price_version:
        return replace(recorded, quantities=found.quantities), facts.input
    notes["creates are priced by another version; what was not recorded of them counts as left out"] += 1
    return found, facts.input


def _is_known(guard: Guard, model: Model | None, quote: Quote) -> bool:
    """Tell whether what a guard bounds is recorded: a quantity, or a parameter whose value decides the price."""
    return guard.parameter in quote.quantities or (model is not None and model.deciding.get(guard.parameter) is False)
