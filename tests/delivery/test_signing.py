"""What the gateway signs is verified as a tenant would, by the library of Standard Webhooks."""

import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from gateway.delivery.signing import Signer
from gateway.domain.secret import Secret

BODY = '{"exec_id":"p","output":"é"}'.encode()


ACME, OTHER = "webhooks of tenant/acme", "webhooks of tenant/other"


def headers(signer: Signer, purpose: str = ACME, id_: str = "res_1") -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in signer.headers(purpose, id_, int(time.time()), BODY)}


def test_a_tenant_verifies_with_its_own_secret() -> None:
    signer = Signer(Secret(["a" * 32]))
    (secret,) = signer.secrets_of(ACME)
    assert secret.startswith("whsec_")
    assert Webhook(secret).verify(BODY, headers(signer)) == {"exec_id": "p", "output": "é"}


@pytest.mark.parametrize("changed", [{"webhook-id": "res_2"}, {"webhook-timestamp": str(int(time.time()) - 1)}])
def test_what_was_changed_on_the_way_is_not_verified(changed: dict[str, str]) -> None:
    signer = Signer(Secret(["a" * 32]))
    verifier = Webhook(signer.secrets_of(ACME)[0])
    with pytest.raises(WebhookVerificationError):
        verifier.verify(BODY, headers(signer) | changed)
    with pytest.raises(WebhookVerificationError):
        verifier.verify(BODY + b" ", headers(signer))


def test_no_tenant_has_the_secret_of_another() -> None:
    signer = Signer(Secret(["a" * 32]))
    with pytest.raises(WebhookVerificationError):
        Webhook(signer.secrets_of(OTHER)[0]).verify(BODY, headers(signer))
    with pytest.raises(WebhookVerificationError):  # nor can it write alerts about itself
        Webhook(signer.secrets_of("alerts of tenant/acme")[0]).verify(BODY, headers(signer))


def test_while_the_secret_is_replaced_both_verify_and_the_new_one_comes_first() -> None:
    both = Signer(Secret(["b" * 32, "a" * 32]))
    (old,), (new,) = (
        Signer(Secret(["a" * 32])).secrets_of(ACME),
        Signer(Secret(["b" * 32])).secrets_of(ACME),
    )
    assert both.secrets_of(ACME) == [new, old]
    for secret in (old, new):
        Webhook(secret).verify(BODY, headers(both))
