"""The webhook of a create: read for the gateway, and replaced in what upstream gets without touching the rest."""

import json

import pytest

from gateway.admission.webhooks import read_webhook, with_address
from gateway.domain.errors import Code, Refused
from gateway.domain.webhook import Webhook

ADDRESS = "https://gateway.example.com/gateway/hooks/res_1.mac"
HOOK = "https://tenant.example.com/done?x=1"


def body(**fields: object) -> bytes:
    return json.dumps({"model": "m", "input": {}} | fields).encode()


def refusal(raw: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        read_webhook(raw, ())
    assert caught.value.code is Code.INVALID_INPUT
    return caught.value


@pytest.mark.parametrize("none", [{}, {"webhook_url": ""}, {"webhook_url": None}, {"webhook_secret": "s"}])
def test_a_create_without_an_address_has_no_webhook(none: dict[str, object]) -> None:
    assert read_webhook(body(**none), ()) is None


def test_address_and_secret_are_read_as_they_stand() -> None:
    assert read_webhook(body(webhook_url=HOOK), ()) == Webhook(HOOK, "")
    found = read_webhook(body(webhook_url=HOOK, webhook_secret="S3cret /=+"), ())
    assert found == Webhook(HOOK, "S3cret /=+")
    assert "S3cret" not in repr(found)


@pytest.mark.parametrize(
    "url",
    [
        "http://tenant.example.com/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://10.0.0.8/",
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://2130706433/",
        "https://tenant.example.com:6379/",
        "https://user:pass@tenant.example.com/",
        "ftp://tenant.example.com/",
        "no address",
        "https://",
        "https://tenant.example.com/\r\nX: y",
    ],
)
def test_an_address_that_may_not_be_called_is_refused_by_name(url: str) -> None:
    refused = refusal(body(webhook_url=url))
    assert refused.message.startswith("webhook_url cannot be called: ")
    assert refused.extra == {"parameter": "webhook_url"}


def test_a_private_destination_that_the_operator_permits_may_be_called_by_http_too() -> None:
    url = "http://127.0.0.1:9999/hook"
    assert read_webhook(body(webhook_url=url), ("127.0.0.1:9999",)) == Webhook(url)
    refusal(body(webhook_url=url))


@pytest.mark.parametrize("secret", ["q\r\nX-Evil: 1", " qqq", "qqq ", "é", "\x00", "q" * 1025])
def test_a_secret_that_no_header_can_carry_is_refused_and_not_repeated(secret: str) -> None:
    refused = refusal(body(webhook_url=HOOK, webhook_secret=secret))
    assert refused.extra == {"parameter": "webhook_secret"}
    assert secret not in refused.message


@pytest.mark.parametrize("name", ["webhook_url", "webhook_secret"])
@pytest.mark.parametrize("value", [1, True, [], {}])
def test_what_is_no_string_is_refused(name: str, value: object) -> None:
    fields = {"webhook_url": HOOK} | {name: value}
    assert refusal(body(**fields)).message == f"{name} must be a string"


@pytest.mark.parametrize("twin", ["Webhook_URL", "WEBHOOK_SECRET", "webhook_ſecret"])
def test_a_twin_in_other_letters_is_refused_since_upstream_could_take_it(twin: str) -> None:
    assert "too like" in refusal(body(**{twin: HOOK})).message


def test_every_other_value_keeps_its_bytes_and_its_place() -> None:
    raw = (
        b'{ "model" : "m", "input":{"n": 1.50, "big":100000000000000000000001, "e": 1E5, "t":"\\u00e9\\n"} ,'
        b'"webhook_secret": "s", "webhook_url": "https://t/", "version": null, "x":[ 1.0,-0.0 ]}'
    )
    sent = with_address(raw, ADDRESS)
    assert sent == (
        b'{"model":"m","input":{"n": 1.50, "big":100000000000000000000001, "e": 1E5, "t":"\\u00e9\\n"},'
        b'"webhook_url":"' + ADDRESS.encode() + b'","version":null,"x":[ 1.0,-0.0 ]}'
    )


def test_a_create_without_a_webhook_gets_the_gateways_own() -> None:
    assert json.loads(with_address(body(), ADDRESS)) == {"model": "m", "input": {}, "webhook_url": ADDRESS}
