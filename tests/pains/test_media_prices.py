"""Media are held at what they will be billed, size by size."""

import asyncio
from decimal import Decimal
from itertools import product

from e2e.clients import Tenants, Upstream

SIZES = ["square_hd", "square", "portrait_4_3", "portrait_16_9", "landscape_4_3", "landscape_16_9"]


async def test_every_size_and_number_of_images_is_held_settled_and_billed_at_the_same_amount(
    tenant: Tenants, upstream: Upstream
) -> None:
    """Media mispriced: LiteLLM #37738, #36483 (video at $0.00); langwatch #7853. The sandbox prices by itself."""
    media, billed = tenant("media"), await upstream.billed()

    async def cost(size: str, images: int) -> Decimal:
        created = await media.create(image_size=size, num_images=images)
        settled = await media.settled(created.json()["predictionID"])
        assert created.headers["X-Gateway-Hold-USD"] == settled.headers["X-Gateway-Cost-USD"]
        return Decimal(created.headers["X-Gateway-Hold-USD"])

    costs = await asyncio.gather(*(cost(size, images) for size, images in product(SIZES, range(1, 5))))
    assert len(set(costs)) == 8  # two prices of an image, times one to four
    assert await media.spent() == (sum(costs), 0) == (await upstream.billed() - billed, 0)
