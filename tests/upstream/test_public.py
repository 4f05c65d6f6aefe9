"""Which addresses may be contacted, told from their text alone."""

import pytest

from gateway.upstream.client import NotSent
from gateway.upstream.public import Destination, NotPublic, check_url, is_public

LOOPBACK = (
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0X7F.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.1.",
    "127。0。0。1",
    "①②⑦.⓪.⓪.①",
    "127.0.0.0x1",
    "0",
    "0.0.0.0",  # noqa: S104
    "localhost",
    "LOCALHOST",
    "localhost.",
    "a.localhost",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
)
PRIVATE = (
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "192.168.257",
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "192.88.99.1",
    "198.18.0.1",
    "203.0.113.1",
    "224.0.0.1",
    "224.0.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "metadata.google.internal",
    "printer.local",
    "intranet",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "[2606:4700::1%25eth0]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[::ffff:8.8.8.8]",
    "[64:ff9b::808:808]",
    "[64:ff9b:1::808:808]",
    "[2002:808:808::1]",
    "[2001:0:808:808::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[100::1]",
    "[4000::1]",
    "[5f00::1]",
)


@pytest.mark.parametrize("host", [*LOOPBACK, *PRIVATE])
def test_a_host_that_is_not_public_is_refused_however_it_is_spelled(host: str) -> None:
    with pytest.raises(NotPublic):
        check_url(f"https://{host}/image.png")


@pytest.mark.parametrize(
    ("url", "destination"),
    [
        ("https://example.com/a.png", ("https", "example.com", 443)),
        ("HTTPS://Example.COM:443", ("https", "example.com", 443)),
        ("https://hooks.example.com:8443/in?x=1#y", ("https", "hooks.example.com", 8443)),
        ("https://xn--bcher-kva.example/", ("https", "xn--bcher-kva.example", 443)),
        ("https://bücher.example/ä?ö", ("https", "xn--bcher-kva.example", 443)),
        ("https://8.8.8.8/", ("https", "8.8.8.8", 443)),
        ("https://[2606:4700:4700::1111]/", ("https", "2606:4700:4700::1111", 443)),
        ("https://my_bucket.s3.amazonaws.com/?X-Amz-Signature=0%2B", ("https", "my_bucket.s3.amazonaws.com", 443)),
    ],
)
def test_the_address_of_a_public_host_is_taken(url: str, destination: Destination) -> None:
    assert check_url(url) == destination


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com/", "https://"),
        ("ftp://example.com/", "https://"),
        ("file:///etc/passwd", "https://"),
        ("gopher://example.com/", "https://"),
        ("example.com", "https://"),
        ("//example.com", "https://"),
        ("", "https://"),
        ("data:image/png;base64,AAAA", "https://"),
        ("https://", "not the name of a public host"),
        ("https:///path", "not the name of a public host"),
        ("https:example.com", "not the name of a public host"),
        ("https://user@example.com/", "credentials"),
        ("https://:secret@example.com/", "credentials"),
        ("https://example.com@127.0.0.1/", "credentials"),
        ("https://127.0.0.1#@example.com/", "not a public IP address"),
        ("https://127.0.0.1?@example.com/", "not a public IP address"),
        ("https://example.com\\@127.0.0.1/", "backslash"),
        ("https://example.com\t/", "control character"),
        ("https://example.com/\r\nHost: 127.0.0.1", "control character"),
        (" https://example.com/", "blank"),
        ("https://exam\u200bple.com/", "control character"),
        ("https://example.com:22/", "port is 22"),
        ("https://example.com:0/", "port is 0"),
        ("https://example.com:99999/", "port is 99999"),
        ("https://example.com:x/", "cannot be read"),
        ("https://[::1/", "cannot be read"),
        ("https://127%2e0.0.1/", "not a public IP address"),
        ("https://ex%61mple.com/", "not the name of a public host"),
        ("https://a..com/", "not the name of a public host"),
        ("https://-a.com/", "not the name of a public host"),
        (f"https://{'a' * 64}.com/", "not the name of a public host"),
        (f"https://{'a.' * 130}com/", "not the name of a public host"),
        (f"https://example.com/{'a' * 9000}", "8192 characters"),
    ],
)
def test_an_address_that_no_image_or_webhook_has_is_refused_with_the_reason(url: str, why: str) -> None:
    with pytest.raises(NotPublic, match=why):
        check_url(url)


def test_an_allowed_destination_is_taken_by_http_too_and_nothing_beside_it() -> None:
    allowed = {"127.0.0.1:9000", "[::1]:9000", "hooks.internal:443", "localhost:80"}
    for url in ("http://127.0.0.1:9000/a", "https://127.0.0.1:9000/", "http://[::1]:9000/", "https://hooks.internal"):
        assert check_url(url, allowed).authority in allowed
    assert check_url("http://localhost/", allowed) == ("http", "localhost", 80)
    for url in (
        "http://127.0.0.1:9001/",
        "http://hooks.internal/",
        "ftp://127.0.0.1:9000/",
        "http://2130706433:9000/",
    ):
        with pytest.raises(NotPublic):
            check_url(url, allowed)
    with pytest.raises(NotPublic, match="credentials"):
        check_url("http://a:b@127.0.0.1:9000/", allowed)


def test_a_refused_address_counts_as_never_sent() -> None:
    assert issubclass(NotPublic, NotSent)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "2a00:1450::1"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address", ["", "example.com", "1.1", "01.1.1.1", "fe80::1%eth0", "::ffff:1.1.1.1", "1.1.1.1/8"]
)
def test_what_is_no_usual_spelling_of_an_address_is_not_public(address: str) -> None:
    assert not is_public(address)
