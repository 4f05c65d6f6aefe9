"""The schema for editors: that of the code; it takes what the gateway takes, and tells slips in names and types."""

import json
import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from gateway.policy.schema import policy_schema

POLICIES = Path(__file__).parents[2] / "policies"
FILES = sorted(POLICIES.rglob("*.toml"))
VALIDATOR = Draft7Validator(json.loads(policy_schema()))
TENANT = '[[tenant]]\nid = "a"\n'


def read(text: str) -> Any:
    """Read TOML as an editor's checker does: JSON has no dates, so they are texts."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(each) for name, each in value.items()}
        if isinstance(value, list):
            return [plain(each) for each in value]
        return value.isoformat() if isinstance(value, date | datetime) else value

    return plain(tomllib.loads(text))


def test_the_shipped_schema_is_fresh() -> None:
    fresh = (POLICIES / "schema.json").read_text("utf-8") == policy_schema()
    assert fresh, "write it anew: gateway policy schema > policies/schema.json"


def test_the_schema_is_one() -> None:
    Draft7Validator.check_schema(json.loads(policy_schema()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_file_is_right_by_the_schema_that_its_first_line_names(path: Path) -> None:
    text = path.read_text("utf-8")
    directive = text.split("\n")[0].removeprefix("#:schema ")
    assert (path.parent / directive).resolve() == POLICIES / "schema.json"
    assert [error.message for error in VALIDATOR.iter_errors(read(text))] == []


@pytest.mark.parametrize(
    "text",
    [
        TENANT + 'parrent = "b"\n',
        "[[tenant]]\nweight = 1\n",
        TENANT + "weight = 0\n",
        TENANT.replace('"a"', '"Acme Inc."'),
        TENANT + '[[tenant.limit]]\nkind = "budget"\nwindow = "dai"\nusd = "5.00"\n',
        TENANT + '[[tenant.limit]]\nkind = "budget"\nwindow = "day"\nusd = 5.0\n',
        TENANT + '[[tenant.limit]]\nkind = "budget"\nwindow = "day"\nusd = "5,00"\n',
        TENANT + '[[tenant.limit]]\nkind = "rate"\nmax = 5\n',
        TENANT + '[[tenant.key]]\nid = "web"\nsha256 = "abc"\n',
        '[[model]]\nslug = "m"\n[model.price]\nkind = "fixd"\nusd = "1"\n',
        '[[tenants]]\nid = "a"\n',
    ],
)
def test_a_slip_is_told_by_the_schema(text: str) -> None:
    assert list(VALIDATOR.iter_errors(read(text)))


def test_an_expiry_may_be_a_day_or_a_time() -> None:
    key = f'[[tenant.key]]\nid = "web"\nsha256 = "{"1" * 64}"\nexpires = '
    for moment in ("2027-02-01", "2027-02-01T00:00:00Z"):
        assert VALIDATOR.is_valid(read(TENANT + key + moment))
