"""Price: what a create would cost this tenant, or why it may not be asked for."""

from collections.abc import Sequence

from gateway.admission.guards import check_guards
from gateway.admission.reading import CreateBody
from gateway.domain.errors import Code, Refused
from gateway.policy import Policy, Tenant
from gateway.pricing import Quote, price_rule, quote, unpriced_quote, validate


def price(policy: Policy, tenant: Tenant, body: CreateBody, sources: Sequence[int | None] = ()) -> Quote:
    """Quote a create, in the order of the refusals: the tenant's list, the price, the schema, the guards.

    `sources` are the pixels of its input images, where somebody has looked.

    Raises Refused: `model_not_allowed`, `model_unpriced`, `invalid_input`, `parameter_not_allowed`.
    """
    if not tenant.allows(body.model):
        raise Refused(
            Code.MODEL_NOT_ALLOWED,
            f"the model {body.model[:80]!r} is not in the list of tenant {tenant.id!r}; ask whoever keeps its policy",
            extra={"model": body.model[:200]},
        )
    quoted = price_of(policy, tenant, body, sources)
    check_guards(tenant.guards, body.input, policy.models.get(body.model), quoted)
    return quoted


def price_of(policy: Policy, tenant: Tenant, body: CreateBody, sources: Sequence[int | None] = ()) -> Quote:
    """Quote a create, whether the tenant may ask for it or not. Raises Refused: `model_unpriced`, `invalid_input`."""
    model = policy.models.get(body.model)
    if model is not None and model.route is not body.route:
        raise Refused(
            Code.MODEL_UNPRICED,
            f"the price of {body.model[:80]!r} in the policy is one of route {model.route!r} and holds for no other",
            extra={"model": body.model[:200]},
        )
    if model is not None and (model.price is not None or not model.price_confirmed):
        price_rule(model)  # refuses a draft before the input is looked at
        validate(model, body.input)
        return quote(model, body.input, sources)
    if tenant.account.unpriced is None:
        raise Refused(
            Code.MODEL_UNPRICED,
            f"the model {body.model[:80]!r} has no price in the policy, so its cost cannot be held; "
            "a priced model, or a price for this one, is needed",
            extra={"model": body.model[:200]},
        )
    if model is not None:
        validate(model, body.input)
    return unpriced_quote(body.model, tenant.account.unpriced, model, body.input)
