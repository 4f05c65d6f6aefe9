import pytest
from policy_texts import ACCOUNT, Load

from gateway.domain.limit import Limit, Mode
from gateway.ledger.postings import clock_key
from gateway.policy import Policy

FAMILY = """
[[tenant]]
id = "team"
parent = "group"
models = ["flux-*"]
[[tenant.limit]]
kind = "concurrency"
max = 1
[[tenant.guard]]
parameter = "num_images"
max = 1
[[tenant.key]]
id = "web"
sha256 = "AA11111111111111111111111111111111111111111111111111111111111111"
[[tenant.key.limit]]
kind = "budget"
window = "total"
usd = "50.00"

[[tenant]]
id = "group"
parent = "company"
weight = 3
[[tenant.limit]]
kind = "concurrency"
max = 2

[[tenant]]
id = "company"
models = ["*-edit", "*-max"]
[[tenant.limit]]
kind = "concurrency"
max = 3
[[tenant.guard]]
parameter = "seed"
forbidden = true
"""
BOUNDED_ACCOUNT = f"""{ACCOUNT}
[[account.limit]]
kind = "concurrency"
max = 4
"""
DIGEST = bytes.fromhex("aa" + "11" * 31)
UP = [f"tenant/{name}" for name in ("team", "group", "company")] + ["account/up"]


@pytest.fixture
def family(load: Load) -> Policy:
    return load(FAMILY, BOUNDED_ACCOUNT)


def scopes(limits: tuple[Limit, ...]) -> list[str]:
    return [limit.scope for limit in limits]


def test_a_tenant_is_bound_by_itself_its_parents_and_its_account_in_that_order(family: Policy) -> None:
    team = family.tenants["team"]
    assert team.chain == ("team", "group", "company")
    assert scopes(team.limits) == UP
    assert [guard.scope for guard in team.guards] == ["tenant/team", "tenant/company"]
    assert team.account is family.accounts["up"]


def test_a_parent_is_not_bound_by_its_children(family: Policy) -> None:
    assert scopes(family.tenants["company"].limits) == ["tenant/company", "account/up"]
    assert (family.tenants["company"].weight, family.tenants["group"].weight) == (1, 3)


def test_a_key_comes_before_its_tenant(family: Policy) -> None:
    web = family.keyring[DIGEST]
    assert (web.tenant, web.key) == (family.tenants["team"], "web")
    assert scopes(web.limits) == ["tenant/team/key/web", *UP]
    assert web.scopes == ("tenant/team/key/web", *UP)


def test_every_limit_is_given_once(family: Policy) -> None:
    assert sorted(limit.scope for limit in family.limits("up")) == sorted(["tenant/team/key/web", *UP])


def test_a_model_must_be_allowed_by_every_list_of_the_chain(family: Policy) -> None:
    allows = family.tenants["team"].allows
    assert [name for name in ("flux-edit", "flux-max", "flux-x", "veo-max", "FLUX-edit") if allows(name)] == [
        "flux-edit",
        "flux-max",
    ]
    assert family.tenants["group"].allow == (("*-edit", "*-max"),)


def test_without_a_list_every_model_is_allowed(load: Load) -> None:
    assert load('[[tenant]]\nid = "acme"').tenants["acme"].allows("anything/at-all")


def test_a_tenant_takes_the_account_of_its_nearest_parent_that_names_one(load: Load) -> None:
    other = BOUNDED_ACCOUNT.replace('"up"', '"other"')
    group = '[[tenant]]\nid = "group"\naccount = "other"\n'
    team = '[[tenant]]\nid = "team"\nparent = "group"\n'
    policy = load(
        BOUNDED_ACCOUNT + other, team + group, '[[tenant]]\nid = "deep"\nparent = "team"\naccount = "other"\n'
    )
    assert {tenant.account.id for tenant in policy.tenants.values()} == {"other"}


def test_a_very_long_chain_is_no_problem(load: Load) -> None:
    links = "".join(f'[[tenant]]\nid = "t{n}"\nparent = "t{n + 1}"\n' for n in range(1100))
    policy = load(links + '[[tenant]]\nid = "t1100"\n')
    assert len(policy.tenants["t0"].chain) == 1101


@pytest.mark.parametrize(
    ("text", "expires_us"),
    [
        ("", None),
        ("expires = 1970-01-02", 86_400_000_000),
        ("expires = 1970-01-01T00:00:01.000002Z", 1_000_002),
        ("expires = 1970-01-01T02:00:00+01:00", 3_600_000_000),
    ],
)
def test_a_key_expires_at_an_instant(text: str, expires_us: int | None, load: Load) -> None:
    key = f'[[tenant]]\nid = "acme"\n[[tenant.key]]\nid = "web"\nsha256 = "{"11" * 32}"\n'
    principal = load(key + text).keyring[b"\x11" * 32]
    assert (principal.expires_us, principal.revoked) == (expires_us, False)


def test_a_revoked_key_stays_known_as_revoked(load: Load) -> None:
    key = f'[[tenant]]\nid = "acme"\n[[tenant.key]]\nid = "web"\nsha256 = "{"11" * 32}"\nrevoked = true\n'
    assert load(key).keyring[b"\x11" * 32].revoked


def test_a_tenant_in_shadow_mode_watches_with_all_that_is_its_own_and_nothing_of_others(load: Load) -> None:
    family = load(FAMILY.replace('id = "team"', 'id = "team"\nmode = "shadow"'), BOUNDED_ACCOUNT)
    web, team = family.keyring[DIGEST], family.tenants["team"]
    assert [limit.mode for limit in web.limits] == [Mode.SHADOW] * 2 + [Mode.ENFORCE] * 3
    assert [guard.mode for guard in team.guards] == [Mode.SHADOW, Mode.ENFORCE]
    assert (team.allow, team.watched) == ((("*-edit", "*-max"),), (("flux-*",),))
    assert team.allows("x-edit")
    assert not team.would_allow("x-edit")
    assert {limit.mode for limit in family.tenants["group"].limits} == {Mode.ENFORCE}


def test_an_account_in_shadow_mode_watches_with_its_limits(load: Load) -> None:
    family = load(FAMILY, BOUNDED_ACCOUNT.replace('id = "up"', 'id = "up"\nmode = "shadow"'))
    assert [limit.mode for limit in family.tenants["company"].limits] == [Mode.ENFORCE, Mode.SHADOW]


def test_a_shadow_of_a_tenant_keeps_apart_what_its_limits_count_apart(load: Load) -> None:
    rate = '[[tenant.limit]]\nkind = "rate"\nper_minute = {}\nmode = "{}"\nid = "{}"\n'
    both = rate.format(30, "enforce", "now") + rate.format(20, "shadow", "trial")
    enforced = load('[[tenant]]\nid = "acme"\n' + both)
    watched = load('[[tenant]]\nid = "acme"\nmode = "shadow"\n' + both)
    clocks = [[clock_key("{up}", limit) for limit in each.tenants["acme"].limits] for each in (enforced, watched)]
    assert clocks[0] == clocks[1]
    assert len(set(clocks[0])) == 2
