import hashlib
import tomllib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from policy_texts import Load

from gateway.policy import Policy, with_key
from gateway.policy.keys import digest, key_toml, new_secret, well_formed

TENANT = '[[tenant]]\nid = "demo"\n[[tenant.limit]]\nkind = "concurrency"\nmax = 1\n'
SHA256 = "33" * 32


@pytest.fixture
def policy(load: Load) -> Policy:
    return load(TENANT)


def test_a_new_secret_is_well_formed_and_never_the_same() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(well_formed(secret) and len(secret) == 53 for secret in made)


def test_a_slip_in_any_character_is_told() -> None:
    secret = new_secret()
    for position in range(len(secret)):
        other = "x" if secret[position] != "x" else "y"
        assert not well_formed(secret[:position] + other + secret[position + 1 :])


@pytest.mark.parametrize("text", ["", "elg_", "hello", "elg_" + "0" * 49 + "\n"])
def test_what_is_no_key_is_not_well_formed(text: str) -> None:
    assert not well_formed(text)


def test_the_form_of_a_secret_stays_as_it_is() -> None:
    assert well_formed("elg_" + "0" * 43 + "2CZclj")


def test_a_digest_is_the_raw_sha256() -> None:
    assert digest("abc") == hashlib.sha256(b"abc").digest()


def test_a_pasted_key_opens_what_its_secret_says(load: Load) -> None:
    secret = new_secret()
    text = key_toml("web", secret, datetime(2027, 2, 1, tzinfo=UTC))
    assert secret not in text
    principal = load(TENANT + text).keyring[digest(secret)]
    assert (principal.tenant.id, principal.key) == ("demo", "web")
    assert principal.expires_us == 1_801_440_000_000_000


def test_an_expiry_is_written_in_utc() -> None:
    berlin = timezone(timedelta(hours=1))
    key = tomllib.loads(key_toml("web", "s", datetime(2027, 2, 1, 1, tzinfo=berlin)))["tenant"]["key"]
    assert key == [{"id": "web", "sha256": digest("s").hex(), "expires": datetime(2027, 2, 1, tzinfo=UTC)}]


def test_a_key_is_not_written_with_a_wrong_id_or_a_time_without_a_zone() -> None:
    with pytest.raises(ValueError, match="not an id"):
        key_toml('web"', "s")
    with pytest.raises(ValueError, match="without a zone"):
        key_toml("web", "s", datetime(2027, 2, 1))  # noqa: DTZ001 (the mistake that is tested)


def test_a_key_of_this_machine_opens_its_tenant(policy: Policy) -> None:
    principal = with_key(policy, "demo", "local", SHA256).keyring[bytes.fromhex(SHA256)]
    assert principal.tenant is policy.tenants["demo"]
    assert principal.scopes == ("tenant/demo/key/local", "tenant/demo", "account/up")
    assert principal.limits == policy.tenants["demo"].limits
    assert (principal.expires_us, principal.revoked) == (None, False)


def test_a_key_of_this_machine_leaves_the_policy_and_its_version_as_they_were(policy: Policy) -> None:
    assert with_key(policy, "demo", "local", SHA256).version == policy.version
    assert not policy.keyring


def test_a_key_that_the_files_revoke_is_not_opened_by_this_machine(load: Load) -> None:
    key = f'[[tenant.key]]\nid = "old"\nsha256 = "{SHA256}"\nrevoked = true\n'
    assert with_key(load(TENANT + key), "demo", "local", SHA256).keyring[bytes.fromhex(SHA256)].revoked


@pytest.mark.parametrize(
    ("tenant", "key", "sha256"),
    [("nobody", "local", SHA256), ("demo", "Local", SHA256), ("demo", "local", "33"), ("demo", "local", "z" * 64)],
)
def test_what_is_no_key_of_a_tenant_is_not_added(tenant: str, key: str, sha256: str, policy: Policy) -> None:
    with pytest.raises(ValueError, match=r"no tenant|not a key|non-hexadecimal"):
        with_key(policy, tenant, key, sha256)
