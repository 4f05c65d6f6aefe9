"""What one policy changes about another, told in words; and what an unchanged one does not."""

from pathlib import Path

import pytest
from policy_texts import ACCOUNT

from gateway.domain.limit import Limit
from gateway.policy import Policy, load_policy
from gateway.policy.differences import differences
from gateway.policy.effects import effect_words

BASE = f"""{ACCOUNT}
[[account.limit]]
kind = "budget"
window = "month"
usd = "100.00"

[[model]]
slug = "flux-edit"
price_version = "1"
[model.price]
kind = "fixed"
usd = "0.014"
[model.input.num_images]
type = "integer"

[[model]]
slug = "veo"

[[tenant]]
id = "group"
[[tenant.limit]]
kind = "count"
window = "day"
max = 50

[[tenant]]
id = "acme"
parent = "group"
models = ["flux-*", "veo"]
[[tenant.limit]]
id = "daily"
kind = "budget"
window = "day"
usd = "5.00"
[[tenant.limit]]
kind = "rate"
per_minute = 30
burst = 2
[[tenant.limit]]
kind = "concurrency"
max = 4
[[tenant.guard]]
parameter = "num_images"
max = 2
[[tenant.key]]
id = "web"
sha256 = "{"11" * 32}"
expires = 2027-02-01
"""


GRANT = 'max = 10\nfrom = 2027-01-01\nuntil = 2027-01-02\nreason = "fair"'


def policy(folder: Path, text: str) -> Policy:
    folder.mkdir(exist_ok=True)
    (folder / "all.toml").write_text(text)
    return load_policy(folder)


def told(tmp_path: Path, *pairs: tuple[str, str]) -> list[str]:
    """Change the base policy, and give the differences."""
    text = BASE
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    found = differences(policy(tmp_path / "old", BASE), policy(tmp_path / "new", text))
    return [f"{each.what} {each.name}: {each.text}" for each in found]


def test_a_policy_does_not_differ_from_itself_in_other_files(tmp_path: Path) -> None:
    old = policy(tmp_path / "old", BASE)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a.toml").write_text("# moved\n" + BASE[BASE.index("[[model]]") :])
    (tmp_path / "new" / "z.toml").write_text(BASE[: BASE.index("[[model]]")])
    assert differences(old, load_policy(tmp_path / "new")) == ()


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([('"5.00"', '"3.00"')], ["limit acme/daily: 5.00 USD per day of UTC → 3.00 USD per day of UTC"]),
        ([('"daily"', '"per-day"')], ["limit acme/daily: renamed to acme/per-day, with its use"]),
        (
            [('"daily"\n', '"daily"\nmode = "shadow"\n')],
            ["limit acme/daily: 5.00 USD per day of UTC → 5.00 USD per day of UTC, shadow"],
        ),
        (
            [('kind = "budget"\nwindow = "day"', 'kind = "budget"\nwindow = "week"')],
            [
                "limit acme/daily: removed: 5.00 USD per day of UTC",
                "limit acme/daily: added: 5.00 USD per week of UTC",
            ],
        ),
        (
            [("per_minute = 30\nburst = 2", "per_minute = 20\nburst = 5")],
            ["limit acme/rate-minute: a create each 2 s, 2 at once → a create each 3 s, 5 at once"],
        ),
        ([("max = 4", "max = 1")], ["limit acme/concurrency: 4 running at once → 1 running at once"]),
        (
            [('usd = "5.00"', 'usd = "5.00"\nalert_at = [0.5]')],
            ["limit acme/daily: alert_at: [] → [0.5]"],
        ),
        (
            [
                (
                    "max = 50",
                    f'max = 50\n[[tenant.grant]]\nlimit = "count-day"\n{GRANT}',
                )
            ],
            [
                "limit group/count-day: new: grant of 10 creates from 2027-01-01T00:00:00.000Z until "
                "2027-01-02T00:00:00.000Z (fair)"
            ],
        ),
        (
            [('usd = "100.00"', 'usd = "90.00"')],
            ["limit account/up/budget-month: 100.00 USD per month of UTC → 90.00 USD per month of UTC"],
        ),
        ([('"flux-*", "veo"', '"veo"')], ["tenant acme: may no longer use flux-edit"]),
        ([('parent = "group"\n', "")], ["tenant acme: parents: group → none"]),
        (
            [('id = "acme"', 'id = "acme"\ntimezone = "Europe/Berlin"')],
            ["limit acme/daily: 5.00 USD per day of UTC → 5.00 USD per day of Europe/Berlin"],
        ),
        (
            [('"num_images"\nmax = 2', '"num_images"\nmax = 3')],
            [
                "tenant acme: no longer guarded: num_images max 2 (by tenant/acme)",
                "tenant acme: guarded: num_images max 3 (by tenant/acme)",
            ],
        ),
        ([("11" * 32, "22" * 32)], ["key acme/web: another secret; the old one opens nothing any more"]),
        (
            [("expires = 2027-02-01", "revoked = true")],
            [
                "key acme/web: revoked: it opens nothing any more",
                "key acme/web: expires: 2027-02-01T00:00:00.000Z → never",
            ],
        ),
        ([('id = "web"', 'id = "app"')], ["key acme/app: added", "key acme/web: removed: it opens nothing any more"]),
        ([('"0.014"', '"0.02"')], ["model flux-edit: price.usd: 0.014 → 0.02"]),
        (
            [('[[model]]\nslug = "veo"\n', "")],
            ["tenant acme: may no longer use veo", "tenant group: may no longer use veo", "model veo: removed"],
        ),
        (
            [('secret_env = "UPSTREAM_KEY"', 'secret_env = "UPSTREAM_KEY"\nconcurrent = 5')],
            ["account up: upstream key main: concurrent: 10 → 5"],
        ),
        ([('id = "up"\n', 'id = "up"\nunpriced = "1.00"\n')], ["account up: unpriced: deny → 1.00 USD"]),
    ],
)
def test_a_change_is_told_in_words(pairs: list[tuple[str, str]], expected: list[str], tmp_path: Path) -> None:
    assert told(tmp_path, *pairs) == expected


def test_a_limit_of_a_parent_says_whom_it_binds_too(tmp_path: Path) -> None:
    old, new = policy(tmp_path / "old", BASE), policy(tmp_path / "new", BASE.replace("max = 50", "max = 40"))
    (change,) = differences(old, new)
    assert change.also == ("acme",)


def test_an_enforced_and_a_shadow_limit_of_one_window_are_not_taken_for_each_other(tmp_path: Path) -> None:
    trial = '[[tenant.limit]]\nid = "trial"\nkind = "budget"\nwindow = "day"\nusd = "1.00"\nmode = "shadow"\n'
    old, new = (
        BASE + trial,
        BASE.replace('"5.00"', '"6.00"') + trial.replace('"1.00"', '"2.00"').replace("trial", "test"),
    )
    found = [each.name for each in differences(policy(tmp_path / "old", old), policy(tmp_path / "new", new))]
    assert found == ["acme/daily", "acme/trial", "acme/test"]


@pytest.mark.parametrize(
    ("old", "new", "taken", "effect"),
    [
        ("5.00", "3.00", 340_000_000, "3.40 USD already used: creates stop at once"),
        ("5.00", "3.00", 300_000_000, "3.00 USD already used: creates stop at once"),
        ("5.00", "3.00", 100_000_000, "1.00 USD already used"),
        ("5.00", "3.00", 0, ""),
        ("3.00", "5.00", 340_000_000, "3.40 USD already used: creates go on at once"),
        ("2.00", "3.00", 340_000_000, "3.40 USD already used: creates stay stopped"),
        (None, "3.00", 340_000_000, "3.40 USD already used: creates stop at once"),
        ("3.00", None, 340_000_000, ""),
    ],
)
def test_the_effect_on_present_use_is_told(
    old: str | None, new: str | None, taken: int, effect: str, tmp_path: Path
) -> None:
    def limit(usd: str | None) -> Limit | None:
        if usd is None:
            return None
        (found,) = [
            each
            for each in policy(tmp_path / "p", BASE.replace('"5.00"', f'"{usd}"')).limits("up")
            if each.id == "daily"
        ]
        return found

    assert effect_words(limit(old), limit(new), taken) == effect
