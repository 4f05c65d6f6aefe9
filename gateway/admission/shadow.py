"""Shadows: what guards and lists of models would have refused, where their tenant only watches them."""

from typing import NamedTuple
from urllib.parse import quote as percent_encoded

from gateway.admission.guards import broken_guards
from gateway.admission.reading import CreateBody
from gateway.domain.errors import Code
from gateway.domain.limit import Mode
from gateway.policy import Policy, Tenant
from gateway.pricing import Quote


class ShadowRefusal(NamedTuple):
    """Who would have refused, as a name that fits a header beside the ids of limits, and with which code."""

    id: str
    code: Code


def shadow_refusals(policy: Policy, tenant: Tenant, body: CreateBody, quoted: Quote) -> tuple[ShadowRefusal, ...]:
    """Tell what would have refused a create that was quoted, were it enforced."""
    found = []
    if not tenant.would_allow(body.model):
        found.append(ShadowRefusal("models", Code.MODEL_NOT_ALLOWED))
    guards = [guard for guard in tenant.guards if guard.mode is Mode.SHADOW]
    for guard, _, _ in broken_guards(guards, body.input, policy.models.get(body.model), quoted):
        name = f"guard-{percent_encoded(guard.parameter, safe='')}"
        found.append(ShadowRefusal(name, Code.PARAMETER_NOT_ALLOWED))
    return tuple(dict.fromkeys(found))
