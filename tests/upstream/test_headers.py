"""What travels between a tenant and upstream, and what never does."""

import pytest

from gateway.upstream.headers import HOP_BY_HOP, Headers, outgoing, returned

TENANT_SECRET, SECRET = b"elg_tenant-secret", "upstream-secret"


def sent(*headers: tuple[bytes, bytes], auth_header: str = "X-API-Key") -> Headers:
    return outgoing(headers, auth_header, SECRET, "req-1")


def names(headers: Headers) -> list[bytes]:
    return [name for name, _ in headers]


@pytest.mark.parametrize(
    ("auth_header", "credential"),
    [
        ("X-API-Key", (b"x-api-key", b"upstream-secret")),
        ("Authorization", (b"authorization", b"Bearer upstream-secret")),
    ],
)
@pytest.mark.parametrize(
    "carried",
    [
        (b"x-api-key", TENANT_SECRET),
        (b"X-Api-Key", TENANT_SECRET),
        (b"authorization", b"Bearer " + TENANT_SECRET),
        (b"AUTHORIZATION", TENANT_SECRET),
        (b"cookie", b"key=" + TENANT_SECRET),
        (b"proxy-authorization", b"Basic " + TENANT_SECRET),
    ],
)
def test_the_tenants_credential_is_replaced_by_the_accounts(
    auth_header: str, credential: tuple[bytes, bytes], carried: tuple[bytes, bytes]
) -> None:
    found = sent(carried, (b"accept", b"*/*"), auth_header=auth_header)
    assert found == [(b"accept", b"*/*"), credential, (b"x-request-id", b"req-1")]


@pytest.mark.parametrize(
    "name",
    [*sorted(HOP_BY_HOP), b"host", b"content-length", b"expect", b"idempotency-key", b"x-request-id", b"prefer"],
)
def test_what_belongs_to_this_hop_or_to_the_gateway_is_not_sent_on(name: bytes) -> None:
    assert names(sent((name, b"1"), (name.upper(), b"2"))) == [b"x-api-key", b"x-request-id"]
    assert [value for _, value in sent((name, b"1"))] == [b"upstream-secret", b"req-1"]


def test_what_connection_names_goes_no_further_in_either_direction() -> None:
    headers = [(b"Connection", b"close, X-Secret ,x-b"), (b"x-secret", b"1"), (b"X-B", b"2"), (b"x-c", b"3")]
    assert names(sent(*headers)) == [b"x-c", b"x-api-key", b"x-request-id"]
    assert returned(headers) == [(b"x-c", b"3")]


@pytest.mark.parametrize("auth_header", ["X-API-Key", "Authorization"])
def test_connection_cannot_be_used_to_drop_the_accounts_credential(auth_header: str) -> None:
    found = sent((b"connection", b"x-api-key, authorization, x-request-id"), auth_header=auth_header)
    assert names(found) == [auth_header.lower().encode(), b"x-request-id"]


def test_the_rest_is_sent_as_it_came_in_its_order_and_twice_where_it_came_twice() -> None:
    headers = [(b"accept", b"a"), (b"x-odd", b"\xe4"), (b"accept", b"b"), (b"user-agent", b"me")]
    assert sent(*headers)[:4] == headers


def test_blanks_around_a_value_are_no_part_of_it() -> None:
    assert sent((b"accept", b" */*\t "))[0] == (b"accept", b"*/*")


@pytest.mark.parametrize(
    "name",
    [
        *(b"RateLimit", b"RateLimit-Policy", b"RateLimit-Remaining", b"X-RateLimit-Limit", b"x-ratelimit-reset"),
        *(b"Set-Cookie", b"Date", b"Server", b"Content-Length", b"X-Request-Id", b"Alt-Svc", b"Transfer-Encoding"),
    ],
)
def test_upstreams_limits_and_cookies_and_hop_are_not_returned(name: bytes) -> None:
    assert returned([(name, b"1"), (b"Retry-After", b"5"), (b"Content-Type", b"text/html")]) == [
        (b"retry-after", b"5"),
        (b"content-type", b"text/html"),
    ]
