"""The catalogue: what upstream publishes of its models, for which it wants no key."""

from urllib.parse import urlencode

from gateway.upstream.client import Answer, Outgoing, Upstream


async def fetch_model(client: Upstream, base_url: str, slug: str) -> Answer:
    """Ask for the description of one model. Raises NotSent or OutcomeUnknown."""
    url = f"{base_url.rstrip('/')}/v1/model?{urlencode({'slug': slug})}"
    return await client.send(Outgoing("GET", url, [(b"accept", b"application/json")]))
