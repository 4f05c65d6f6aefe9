"""Probing: a look at a create's input images before it is priced, where its price depends on their sizes."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from msgspec.structs import replace

from gateway.admission.price import price
from gateway.admission.reading import CreateBody
from gateway.policy import Policy, Tenant
from gateway.pricing import Model, Quote, images_wanted, validate


class Probe(Protocol):
    """What looks at images."""

    async def pixels(self, tenant: str, urls: Sequence[str]) -> Sequence[int | None]:
        """Give the pixels of each image in turn, None where they cannot be found out soon; never an error."""
        ...


async def price_seen(
    policy: Policy, tenant: Tenant, body: CreateBody, probe: Probe | None, is_open: Callable[[], Awaitable[bool]]
) -> Quote:
    """Quote a create as `price` does, after a look at its images where its model says `probe = true`.

    Nobody looks where the request states its size, and for a create that is refused or repeated anyhow, as `is_open`
    tells; it is then held at the upper bound. Raises Refused as `price` does, and what `is_open` raises.
    """
    model = policy.models.get(body.model)
    images = _images(model, body) if probe and model and model.probe and tenant.allows(body.model) else []
    if probe is None or not images or not await is_open():
        return price(policy, tenant, body)
    sources = await probe.pixels(tenant.id, images)
    return _telling(price(policy, tenant, body, sources), sources)


def _images(model: Model, body: CreateBody) -> list[str]:
    """Give the images to look at, of what the model takes. Raises Refused."""
    if model.price is None or not model.price_confirmed:
        return []
    validate(model, body.input)
    return images_wanted(model, body.input)


def _telling(quoted: Quote, sources: Sequence[int | None]) -> Quote:
    unseen = sum(pixels is None for pixels in sources)
    if not unseen:
        return quoted
    text = f"{unseen} of {len(sources)} input images could not be looked at, so that their upper bound is held"
    return replace(quoted, assumptions=(*quoted.assumptions, text))
