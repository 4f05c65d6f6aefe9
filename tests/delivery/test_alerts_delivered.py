"""Alerts reach the addresses of the policy: private ones too, signed by a secret of their own, until received."""

import json

import pytest
from ledger.bench import SCRIPTS, budget
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from delivery.conftest import SECRET, Endpoint, Post
from gateway.alerting.teller import Teller
from gateway.delivery.signing import Signer
from gateway.ledger.alerts import AGAIN_US, Alerts
from gateway.upstream.guarded import PublicTransport
from gateway.upstream.httpx_client import HttpxUpstream

SHARES = (0.5, 0.8, 1.0)


@pytest.fixture
async def guarded(post: Post) -> Post:
    """A courier whose way to tenants' addresses leads nowhere on this machine."""
    post.courier._tenants = HttpxUpstream(PublicTransport())
    return post


async def tell(post: Post, *urls: str) -> None:
    bench = post.world.bench
    scopes = ("tenant/t", "account/up")
    addresses = dict(zip(urls, scopes, strict=False))
    limits = [budget(100, id="daily", alert_at=SHARES)]
    await Teller(Alerts(bench.store, SCRIPTS, "up"), bench.outbox, limits, lambda _: addresses).round()


async def reach(post: Post, hold: int) -> None:
    await post.world.bench.admit(post.world.bench.postings(budget(100, id="daily", alert_at=SHARES)), hold)


async def test_an_alert_is_posted_and_verified_as_standard_webhooks_are(guarded: Post, endpoint: Endpoint) -> None:
    await reach(guarded, 85)
    await tell(guarded, endpoint.webhook.url)
    assert await guarded.round() == 2
    told = {}
    for head, body in endpoint.got:
        (secret,) = Signer(SECRET).secrets_of("alerts of tenant/t")
        stamp = int(head["webhook-timestamp"])
        assert stamp == await guarded.world.bench.now() // 1_000_000
        signature = Signer(SECRET).headers("alerts of tenant/t", head["webhook-id"], stamp, body)[2][1].decode()
        assert head["webhook-signature"] == signature
        assert secret.startswith("whsec_")
        assert "x-webhook-secret" not in head
        told[json.loads(body)["data"]["threshold"]] = json.loads(body)
    assert set(told) == {"0.5", "0.8"}
    event = told["0.8"]
    assert event["type"] == "limit.threshold_reached"
    assert event["timestamp"] == event["data"]["reached_at"]
    assert (event["data"]["scope"], event["data"]["limit"], event["data"]["held"]) == (
        "tenant/t",
        "daily",
        "0.00000085",
    )
    assert guarded.alerts_counted("tenant/t", "delivered") == 2
    assert await guarded.world.bench.outbox.listed(9) == []


async def test_a_tenant_cannot_sign_alerts_with_the_secret_of_its_webhooks(guarded: Post, endpoint: Endpoint) -> None:
    await reach(guarded, 50)
    await tell(guarded, endpoint.webhook.url)
    await guarded.round()
    ((head, body),) = endpoint.got
    with pytest.raises(WebhookVerificationError):
        Verifier(Signer(SECRET).secrets_of("webhooks of tenant/t")[0]).verify(body, head)


async def test_what_is_not_received_is_tried_again_under_the_same_id(guarded: Post, endpoint: Endpoint) -> None:
    endpoint.statuses = [500, 302]
    await reach(guarded, 50)
    await tell(guarded, endpoint.webhook.url)
    for seconds in (0, 5, 10):
        await guarded.world.bench.advance(seconds)
        assert await guarded.round() == 1
    assert len({head["webhook-id"] for head, _ in endpoint.got}) == 1
    assert len({body for _, body in endpoint.got}) == 1
    assert len(endpoint.got) == 3
    assert (guarded.alerts_counted("tenant/t", "failed"), guarded.alerts_counted("tenant/t", "delivered")) == (2, 1)
    assert guarded.counted("failed") == 0


async def test_every_address_of_the_policy_is_told_each_under_an_id_of_its_own(
    guarded: Post, endpoint: Endpoint
) -> None:
    await reach(guarded, 50)
    other = endpoint.webhook.url.replace("127.0.0.1", "localhost")
    await tell(guarded, endpoint.webhook.url, other)
    assert await guarded.round() == 2
    (one, first), (two, second) = endpoint.got
    assert one["webhook-id"] != two["webhook-id"]
    assert json.loads(first)["data"]["alert"] == json.loads(second)["data"]["alert"]
    assert guarded.alerts_counted("tenant/t", "delivered") == guarded.alerts_counted("account/up", "delivered") == 1


async def test_an_alert_whose_worker_died_is_told_again_and_lies_in_the_outbox_once(
    guarded: Post, endpoint: Endpoint
) -> None:
    bench = guarded.world.bench
    await reach(guarded, 50)
    alerts = Alerts(bench.store, SCRIPTS, "up")
    assert len((await alerts.claim()).alerts) == 1  # by a worker that dies here
    await tell(guarded, endpoint.webhook.url)
    assert await bench.outbox.listed(9) == []
    for _ in range(2):
        await bench.advance(AGAIN_US / 1_000_000)
        await tell(guarded, endpoint.webhook.url)
    assert len(await bench.outbox.listed(9)) == 1
    await guarded.round()
    assert len(endpoint.got) == 1


async def test_what_is_given_up_is_listed_and_can_be_delivered_again(guarded: Post, endpoint: Endpoint) -> None:
    endpoint.statuses = [410]
    await reach(guarded, 50)
    await tell(guarded, endpoint.webhook.url)
    await guarded.round()
    ((dead),) = await guarded.world.bench.outbox.listed(9, dead=True)
    assert (dead.is_alert, dead.scope, dead.said) == (True, "tenant/t", "answered 410 Gone")
    assert await guarded.world.bench.outbox.again(dead.id)
    await guarded.round()
    assert guarded.alerts_counted("tenant/t", "delivered") == 1
