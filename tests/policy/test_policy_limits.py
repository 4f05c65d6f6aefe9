from zoneinfo import ZoneInfo

import pytest
from policy_texts import Load

from gateway.domain.limit import Guard, Limit, LimitKind, Mode
from gateway.domain.window import MonthFrom, Rolling, WindowName
from gateway.policy import Policy

BUDGET = 'kind = "budget"\nwindow = "day"\nusd = "5.00"\n'


def own_limit(policy: Policy) -> Limit:
    return policy.tenants["acme"].limits[0]


def tenant(limit: str, more: str = "") -> str:
    return f'[[tenant]]\nid = "acme"\n{more}\n[[tenant.limit]]\n{limit}'


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (BUDGET, "budget-day"),
        (f'id = "daily"\n{BUDGET}', "daily"),
        ('kind = "count"\nwindow = "month"\nmax = 1', "count-month"),
        ('kind = "rate"\nper_minute = 30', "rate-minute"),
        ('kind = "rate"\nper_second = 30', "rate-second"),
        ('kind = "concurrency"\nmax = 1', "concurrency"),
    ],
)
def test_a_limit_without_an_id_is_named_for_what_it_counts(text: str, name: str, load: Load) -> None:
    assert own_limit(load(tenant(text))).id == name


def test_a_budget_counts_units_in_the_zone_of_its_tenant(load: Load) -> None:
    text = tenant(f"{BUDGET}alert_at = [1.0, 0.5, 0.5]\n", 'timezone = "Europe/Berlin"')
    berlin = ZoneInfo("Europe/Berlin")
    assert own_limit(load(text)) == Limit(
        "tenant/acme",
        "budget-day",
        LimitKind.BUDGET,
        Mode.ENFORCE,
        500_000_000,
        WindowName.DAY,
        berlin,
        alert_at=(0.5, 1.0),
    )


def test_a_month_may_begin_on_another_day(load: Load) -> None:
    month = 'kind = "count"\nwindow = "month"\nmax = 5\n'
    limits = tenant(month) + "[[tenant.limit]]\n" + month + "month_starts = 15\n"
    plain, from_fifteenth = load(limits).tenants["acme"].limits
    assert (plain.id, plain.window) == ("count-month", WindowName.MONTH)
    assert (from_fifteenth.id, from_fifteenth.window) == ("count-month-15", MonthFrom(15))


def test_a_limit_may_roll_instead(load: Load) -> None:
    limit = own_limit(load(tenant('kind = "budget"\nrolling = "1d"\nusd = "5.00"\nalert_at = [0.5]')))
    assert (limit.id, limit.window, limit.alert_at) == ("budget-rolling-24h", Rolling(1440), (0.5,))


@pytest.mark.parametrize("window", list(WindowName))
def test_a_count_may_have_every_window(window: WindowName, load: Load) -> None:
    limit = own_limit(load(tenant(f'kind = "count"\nwindow = "{window}"\nmax = 500\nmode = "shadow"')))
    assert (limit.kind, limit.window, limit.mode, limit.amount) == (LimitKind.COUNT, window, Mode.SHADOW, 500)


@pytest.mark.parametrize(
    ("text", "burst", "interval_us"),
    [
        ("per_minute = 30\nburst = 10", 10, 2_000_000),
        ("per_minute = 7", 1, 8_571_429),
        ("per_second = 3\nburst = 2", 2, 333_334),
        ("per_second = 3000000", 1, 1),
    ],
)
def test_a_rate_never_admits_more_than_it_says(text: str, burst: int, interval_us: int, load: Load) -> None:
    window = None if "per_second" in text else WindowName.MINUTE
    limit = own_limit(load(tenant(f'kind = "rate"\n{text}')))
    assert (limit.amount, limit.interval_us, limit.window, limit.zone) == (burst, interval_us, window, None)


def test_a_concurrency_counts_slots(load: Load) -> None:
    limit = own_limit(load(tenant('kind = "concurrency"\nmax = 4')))
    assert (limit.kind, limit.amount, limit.window) == (LimitKind.CONCURRENCY, 4, None)


def test_a_budget_of_nothing_closes_a_tenant(load: Load) -> None:
    assert own_limit(load(tenant(BUDGET.replace("5.00", "0.00")))).amount == 0


def test_an_enforced_and_a_shadow_limit_may_share_a_window(load: Load) -> None:
    shadow = f'[[tenant.limit]]\nid = "trial"\nmode = "shadow"\n{BUDGET}'
    policy = load(tenant(BUDGET + shadow))
    assert [limit.id for limit in policy.tenants["acme"].limits] == ["budget-day", "trial"]


def test_the_windows_of_an_account_begin_in_utc(load: Load) -> None:
    account = '[[account]]\nid = "up"\n[[account.key]]\nid = "k"\nsecret_env = "K"\n[[account.limit]]\n'
    policy = load(account + BUDGET, '[[tenant]]\nid = "acme"\ntimezone = "Asia/Tokyo"')
    limit = own_limit(policy)
    assert (limit.scope, limit.zone) == ("account/up", ZoneInfo("UTC"))
    assert policy.accounts["up"].limits == (limit,)


def test_a_guard_keeps_its_numbers_as_they_were_written(load: Load) -> None:
    guards = """
    [[tenant]]
    id = "acme"
    [[tenant.guard]]
    parameter = "num_images"
    min = 1
    max = 2
    [[tenant.guard]]
    parameter = "megapixels"
    max = 1.5
    [[tenant.guard]]
    parameter = "output_format"
    one_of = ["png", 1, 2.5, true]
    [[tenant.guard]]
    parameter = "seed"
    forbidden = true
    """
    assert load(guards).tenants["acme"].guards == (
        Guard("tenant/acme", "num_images", min=1, max=2),
        Guard("tenant/acme", "megapixels", max=1.5),
        Guard("tenant/acme", "output_format", one_of=("png", 1, 2.5, True)),
        Guard("tenant/acme", "seed", forbidden=True),
    )
