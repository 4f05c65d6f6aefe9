"""A day begins where the tenant lives, also on the two days that are shorter or longer."""

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.domain.money import parse_usd
from gateway.ledger.decisions import Admitted
from gateway.policy import load_policy
from ledger.bench import SECOND, Bench, violated

POLICY = """
[[account]]
id = "up"
[[account.key]]
id = "main"
secret_env = "KEY"
[[tenant]]
id = "acme"
timezone = "Europe/Berlin"
[[tenant.limit]]
kind = "budget"
window = "day"
usd = "5.00"
"""
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("day", "hours"), [((2050, 3, 27), 23), ((2050, 10, 30), 25), ((2050, 7, 1), 24), ((2050, 1, 1), 24)]
)
async def test_a_daily_budget_of_a_policy_file_begins_anew_at_midnight_of_its_tenant_and_at_no_other_hour(
    tmp_path: Path, bench: Bench, day: tuple[int, int, int], hours: int
) -> None:
    """Resets at the wrong hour: LiteLLM #34896, #10288, #33161."""
    (tmp_path / "policy.toml").write_text(POLICY, "utf-8")
    (only,) = load_policy(tmp_path).tenants["acme"].limits
    postings = bench.postings(only, scopes=("tenant/acme/key/k", "tenant/acme", "account/up"))
    midnight = datetime(*day, tzinfo=BERLIN)
    start = int(midnight.timestamp()) * SECOND
    all_of_it = parse_usd("5.00")
    await bench.at(start)
    assert isinstance(await bench.reserve(postings, all_of_it), Admitted)
    for hour in range(hours):  # midnight of UTC is among them
        await bench.at(start + (hour * 3600 + 3599) * SECOND)
        assert violated(await bench.reserve(postings, 1)) == ["budget-day"], hour
    await bench.at(start + hours * 3600 * SECOND)
    assert isinstance(await bench.reserve(postings, all_of_it), Admitted)
    assert (
        await bench.now()
        == int(datetime(*(midnight + timedelta(days=1)).timetuple()[:3], tzinfo=BERLIN).timestamp()) * SECOND
    )
