from datetime import UTC, datetime

from policy_texts import ACCOUNT, Load

from gateway.domain.limit import Grant

DAY_US = 86_400_000_000
NOON_US = int(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()) * 1_000_000
LIMITS = """
[[tenant]]
id = "acme"
[[tenant.limit]]
kind = "budget"
window = "day"
usd = "5.00"
[[tenant.limit]]
kind = "count"
window = "day"
max = 10
[[tenant.limit]]
kind = "concurrency"
max = 4
"""
SPAN = "from = 2026-11-22T13:00:00+01:00\nuntil = 2026-11-24\n"


def test_a_grant_raises_the_limit_that_it_names_between_its_instants(load: Load) -> None:
    grants = f'[[tenant.grant]]\nlimit = "count-day"\nmax = 7\n{SPAN}reason = "launch day"\n'
    budget, count, slots = load(LIMITS + grants).tenants["acme"].limits
    assert (budget.grants, slots.grants) == ((), ())
    assert count.grants == (Grant(7, NOON_US, NOON_US + DAY_US * 3 // 2, "launch day"),)
    assert (count.amount, count.at(NOON_US - 1).amount, count.at(NOON_US).amount) == (10, 10, 17)
    ends = count.grants[0].until_us
    assert (count.at(ends - 1).amount, count.at(ends).amount) == (17, 10)


def test_grants_that_overlap_add_up(load: Load) -> None:
    first = f'[[tenant.grant]]\nusd = "2.00"\n{SPAN}reason = "launch"\n'
    second = '[[tenant.grant]]\nusd = "0.50"\nfrom = 2026-11-23\nuntil = 2026-11-25\nreason = "and press"\n'
    limit = load(LIMITS + first + second).tenants["acme"].limits[0]
    amounts = [limit.at(NOON_US + hours * 3_600_000_000).amount for hours in (-1, 0, 12, 36, 60)]
    assert amounts == [500_000_000, 700_000_000, 750_000_000, 550_000_000, 500_000_000]
    assert [grant.reason for grant in limit.at(NOON_US + DAY_US).grants] == ["launch", "and press"]


def test_a_grant_without_a_name_raises_the_only_limit_that_its_amount_fits(load: Load) -> None:
    own = (
        '[[tenant.key]]\nid = "web"\nsha256 = "'
        + "1" * 64
        + '"\n[[tenant.key.limit]]\nkind = "concurrency"\nmax = 1\n'
    )
    grants = (
        f'[[tenant.grant]]\nusd = "1.00"\n{SPAN}reason = "a"\n{own}[[tenant.key.grant]]\nmax = 2\n{SPAN}reason = "b"'
    )
    policy = load(LIMITS + grants)
    (key,) = policy.keyring.values()
    raised = [(limit.scope, limit.id) for limit in key.limits if limit.grants]
    assert raised == [("tenant/acme/key/web", "concurrency"), ("tenant/acme", "budget-day")]


def test_an_account_has_grants_too(load: Load) -> None:
    limit = '[[account.limit]]\nkind = "budget"\nwindow = "month"\nusd = "9.00"\n'
    policy = load(ACCOUNT + limit + f'[[account.grant]]\nusd = "1.00"\n{SPAN}reason = "fair"\n')
    assert policy.accounts["up"].limits[0].at(NOON_US).amount == 1_000_000_000
