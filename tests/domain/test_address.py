"""Addresses prove that they were made by a gateway with the secret, for one reservation of one account."""

import pytest

from gateway.domain.address import Addresses
from gateway.domain.secret import Secret

SECRET = Secret(["a" * 32])
ADDRESSES = Addresses(SECRET, "https://gateway.example.com/base")
URL = ADDRESSES.of("main", "res_1") or ""
TOKEN = URL.rpartition("/")[2]


def test_an_address_names_its_reservation_to_every_gateway_with_the_secret() -> None:
    assert URL.startswith("https://gateway.example.com/base/gateway/hooks/res_1.")
    other = Addresses(Secret(["a" * 32]))
    assert other.reservation("main", TOKEN) == "res_1"
    assert other.reservation_at("main", URL.replace("gateway.example.com/base", "elsewhere.example.com")) == "res_1"


def test_without_a_public_address_none_is_given() -> None:
    assert Addresses(SECRET).of("main", "res_1") is None


@pytest.mark.parametrize(
    "token",
    [
        TOKEN[:-1] + ("A" if TOKEN[-1] != "A" else "B"),
        TOKEN.replace("res_1", "res_2"),
        TOKEN.replace(".", ""),
        TOKEN + "A",
        TOKEN[:-1],
        "." + TOKEN.partition(".")[2],
        "res_1.",
        "res_1",
        "",
        "é." + TOKEN.partition(".")[2],
        "res_1\n." + TOKEN.partition(".")[2],
        f"{TOKEN}\n",
        "x" * 10_000,
    ],
)
def test_what_was_not_made_with_the_secret_names_nothing(token: str) -> None:
    assert ADDRESSES.reservation("main", token) is None
    if "\n" not in token:  # which no URL has
        assert ADDRESSES.reservation_at("main", f"https://h/gateway/hooks/{token}") is None


def test_a_token_of_another_account_or_another_secret_names_nothing() -> None:
    assert ADDRESSES.reservation("second", TOKEN) is None
    assert Addresses(Secret(["b" * 32])).reservation("main", TOKEN) is None


@pytest.mark.parametrize("url", ["", "no address", "https://[", f"https://h/{TOKEN}", "https://h/gateway/hooks/"])
def test_another_address_names_nothing(url: str) -> None:
    assert ADDRESSES.reservation_at("main", url) is None


def test_a_replaced_secret_is_still_read_and_no_longer_written() -> None:
    both = Addresses(Secret(["b" * 32, "a" * 32]), "https://h")
    assert both.reservation("main", TOKEN) == "res_1"
    new = (both.of("main", "res_1") or "").rpartition("/")[2]
    assert Addresses(Secret(["b" * 32])).reservation("main", new) == "res_1"
    assert ADDRESSES.reservation("main", new) is None


@pytest.mark.parametrize("texts", [[], [""], ["a" * 31], ["a" * 32, "b"]])
def test_a_secret_that_could_be_guessed_is_refused(texts: list[str]) -> None:
    with pytest.raises(ValueError, match="32 characters"):
        Secret(texts)


def test_a_secret_does_not_show_itself() -> None:
    assert "aaa" not in repr(SECRET) + str(SECRET)
    assert SECRET.keys("one") != SECRET.keys("two")
