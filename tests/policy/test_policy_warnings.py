"""What is valid and yet surely not meant: each is told with its place, and the policy stays valid."""

from pathlib import Path

import pytest
from policy_texts import ACCOUNT

from gateway.policy import review_policy

ROOT = Path(__file__).parents[2]
NOW_US = 1_800_000_000_000_000  # 2027-01-15T08:00:00Z
ACCOUNTS = f"""{ACCOUNT}
[[account.limit]]
kind = "budget"
window = "month"
usd = "100.00"
[[model]]
slug = "flux-edit"
[model.input.num_images]
type = "integer"
[[model]]
slug = "flux-pro"
"""


def limit(kind: str, owner: str = "tenant", **fields: object) -> str:
    lines = [f"{name} = {str(value) if isinstance(value, int) else repr(value)}" for name, value in fields.items()]
    return "\n".join([f"[[{owner}.limit]]", f'kind = "{kind}"', *lines, ""])


def warnings(folder: Path, text: str, account: str = ACCOUNTS) -> list[str]:
    (folder / "accounts.toml").write_text(account)
    (folder / "a.toml").write_text(f'[[tenant]]\nid = "a"\n{text}')
    _, found = review_policy(folder, NOW_US)
    return [str(each).removeprefix(f"{folder}/a.toml:") for each in found]


def test_the_shipped_policies_have_none() -> None:
    assert review_policy(ROOT / "policies", NOW_US)[1] == ()


def test_a_glob_that_matches_no_model_is_told(tmp_path: Path) -> None:
    expected = (
        """3:22: tenant "a", field models: 'flux-edti' matches no model of the policy (did you mean 'flux-edit'?)"""
    )
    assert warnings(tmp_path, 'models = ["flux-p*", "flux-edti"]') == [expected]


def test_where_unpriced_models_pass_a_glob_may_match_what_is_not_named(tmp_path: Path) -> None:
    unpriced = ACCOUNTS.replace('id = "up"', 'id = "up"\nunpriced = "1.00"')
    assert warnings(tmp_path, 'models = ["veo-*"]', unpriced) == []


def test_lists_of_a_chain_that_leave_nothing_are_told(tmp_path: Path) -> None:
    text = 'models = ["flux-edit"]\nparent = "b"\n[[tenant]]\nid = "b"\nmodels = ["flux-pro"]'
    assert warnings(tmp_path, text) == [
        '3:10: tenant "a", field models: allows no model that the lists of its parents (b) allow too'
    ]


def test_a_guard_on_a_slip_of_a_parameter_is_told(tmp_path: Path) -> None:
    names = ("num_image", "megapixels", "total_pixels", "xyz")
    guards = "".join(f'[[tenant.guard]]\nparameter = "{name}"\nmax = 1\n' for name in names)
    assert warnings(tmp_path, guards) == [
        '4:13: tenant "a", guard "num_image", field parameter: no model that the tenant may use has a parameter or '
        "quantity of that name (did you mean 'num_images'?)"
    ]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("expires = 2027-01-15T08:00:00Z", True),
        ("expires = 2027-01-15T08:00:01Z", False),
        ("expires = 2026-01-01\nrevoked = true", False),
        ("", False),
    ],
)
def test_a_key_that_has_expired_is_told(more: str, told: bool, tmp_path: Path) -> None:
    key = f'[[tenant.key]]\nid = "web"\nsha256 = "{"1" * 64}"\n{more}\n'
    expected = (
        '6:11: tenant "a", key "web", field expires: expired at 2027-01-15T08:00:00Z and opens nothing; '
        "remove the key, or set a later time"
    )
    assert warnings(tmp_path, key) == ([expected] if told else [])


def test_a_grant_that_is_over_is_told(tmp_path: Path) -> None:
    def grant(until: str) -> str:
        return f'[[tenant.grant]]\nusd = "1.00"\nfrom = 2026-01-01\nuntil = {until}\nreason = "r"\n'

    text = limit("budget", window="day", usd="1.00") + grant("2027-01-15T08:00:01Z") + grant("2027-01-15T08:00:00Z")
    assert warnings(tmp_path, text) == [
        '15:9: tenant "a", grant[1], field until: is over and raises nothing; remove the grant, or set a later time'
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (limit("budget", window="day", usd="100.01"), "limit 'budget-month' of account/up is 100.00 USD per month"),
        (limit("budget", window="total", usd="1") + limit("budget", window="week", usd="2"), "1.00 USD per total"),
        (
            limit("count", window="day", max=9) + limit("count", window="month", month_starts=15, max=8),
            "limit 'count-month-15' of tenant/a is 8 per month-15",
        ),
        (limit("count", window="minute", max=9) + limit("count", window="hour", max=8), "8 per hour"),
        (limit("concurrency", max=11), "the upstream keys of account 'up' take 10 predictions at once"),
        (limit("rate", per_minute=101, burst=100), "the upstream keys of account 'up' take 100 creates a minute"),
        (
            'parent = "b"\n'
            + limit("rate", per_minute=30, burst=2)
            + '[[tenant]]\nid = "b"\n'
            + limit("rate", per_minute=20),
            "limit 'rate-minute' of tenant/b is one each 3 s, 1 at once",
        ),
    ],
)
def test_a_limit_that_another_forestalls_is_told(text: str, reason: str, tmp_path: Path) -> None:
    (found,) = warnings(tmp_path, text)
    assert "can never be reached, since " in found
    assert found.endswith(reason)


@pytest.mark.parametrize(
    "text",
    [
        limit("budget", window="day", usd="100.00"),
        limit("budget", window="week", usd="150.00"),  # it may lie in two months
        'timezone = "Europe/Berlin"\n' + limit("budget", window="day", usd="150.00"),  # and this day too
        limit("budget", window="year", usd="500.00"),
        limit("count", window="day", max=10**6),
        limit("count", window="month", max=9) + limit("count", window="month", month_starts=15, max=8),
        limit("count", window="hour", max=9)
        + limit("count", window="day", max=5, id="n")
        + '[[tenant.grant]]\nlimit = "n"\nmax = 4\nfrom = 2027-01-01\nuntil = 2027-02-01\nreason = "r"\n',
        limit("rate", per_minute=101),  # one at a time: the upstream keys take more at once
        limit("budget", window="hour", usd="9") + limit("budget", window="day", usd="5", mode="shadow"),
    ],
)
def test_a_limit_that_can_be_reached_is_not_told(text: str, tmp_path: Path) -> None:
    assert warnings(tmp_path, text) == []


def test_a_limit_of_a_key_is_measured_by_its_tenant(tmp_path: Path) -> None:
    key = f'[[tenant.key]]\nid = "web"\nsha256 = "{"1" * 64}"\n' + limit("concurrency", "tenant.key", max=3)
    (found,) = warnings(tmp_path, limit("concurrency", max=2) + key)
    assert found.startswith('11:7: tenant "a", key "web", limit[0], field max: can never be reached')


def test_a_look_at_images_that_no_price_asks_for_is_told(tmp_path: Path) -> None:
    price = '\nprobe = true\n[model.price]\nkind = "{}"\n'
    fixed = ACCOUNTS + price.format("fixed") + 'usd = "1"\n'
    megapixel = ACCOUNTS + price.format("megapixel") + 'base_usd = "1"\nextra_usd = "1"\n'
    (found,) = warnings(tmp_path, "", fixed)
    assert 'model "flux-pro"' in found
    assert "this price does not depend on the size of input images" in found
    assert warnings(tmp_path, "", megapixel) == []
