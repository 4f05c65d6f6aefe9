from pathlib import Path

import pytest
from policy_texts import ACCOUNT, Load

from gateway.policy import Account, SecretMissing, UpstreamKey, read_secret

SECRET = "s3cret-of-upstream"
BY_VARIABLE = UpstreamKey("main", "UPSTREAM_KEY", None, 100, 10)


def test_an_account_has_the_documented_defaults(load: Load) -> None:
    assert load(ACCOUNT).accounts["up"] == Account(
        id="up",
        base_url="https://api.eachlabs.ai",
        auth_header="X-API-Key",
        unpriced=None,
        queue_seconds=0,
        in_doubt_hours=24,
        create_timeout_seconds=30,
        keys=(BY_VARIABLE,),
        limits=(),
    )


def test_an_account_keeps_what_it_is_given(load: Load) -> None:
    text = """
    [[account]]
    id = "eu"
    base_url = "http://127.0.0.1:9000/"
    auth_header = "Authorization"
    unpriced = "1.50"
    queue_seconds = 2.5
    in_doubt_hours = 0.5
    create_timeout_seconds = 12
    [[account.key]]
    id = "a"
    secret_file = "/run/secrets/a"
    creates_per_minute = 60
    concurrent = 2
    """
    assert load(text).accounts["eu"] == Account(
        id="eu",
        base_url="http://127.0.0.1:9000",
        auth_header="Authorization",
        unpriced=150_000_000,
        queue_seconds=2.5,
        in_doubt_hours=0.5,
        create_timeout_seconds=12,
        keys=(UpstreamKey("a", None, "/run/secrets/a", 60, 2),),
        limits=(),
    )


def test_a_secret_is_read_from_its_variable_without_white_space() -> None:
    assert read_secret(BY_VARIABLE, {"UPSTREAM_KEY": f" {SECRET}\n"}) == SECRET


def test_a_secret_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"{SECRET}\n")
    assert read_secret(UpstreamKey("main", None, str(path), 100, 10), {}) == SECRET


@pytest.mark.parametrize("environ", [{}, {"UPSTREAM_KEY": ""}, {"UPSTREAM_KEY": " \n"}])
def test_a_missing_secret_names_the_key_and_the_variable(environ: dict[str, str]) -> None:
    with pytest.raises(SecretMissing, match=r"'main'.*UPSTREAM_KEY is not set or empty"):
        read_secret(BY_VARIABLE, environ)


def test_a_missing_secret_names_the_key_and_the_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    key = UpstreamKey("main", None, str(path), 100, 10)
    with pytest.raises(SecretMissing, match=rf"'main'.*{path} cannot be read: No such file"):
        read_secret(key, {})
    path.write_text("\n")
    with pytest.raises(SecretMissing, match="is not set or empty"):
        read_secret(key, {})


@pytest.mark.parametrize("secret", [f"{SECRET}\nother", f"{SECRET}é", f"{SECRET}\x00"])
def test_a_secret_that_cannot_be_sent_is_not_repeated_in_the_error(secret: str) -> None:
    with pytest.raises(SecretMissing) as caught:
        read_secret(BY_VARIABLE, {"UPSTREAM_KEY": secret})
    assert SECRET not in str(caught.value)
