"""Whatever is written where a value belongs, the answer is a policy or its problems, and never another error."""

import pytest
from policy_texts import Load

from gateway.policy import PolicyInvalid

EVERYTHING = f"""
[[account]]
id = "up"
base_url = "https://api.example"
auth_header = "X-API-Key"
unpriced = "1.00"
queue_seconds = 0
in_doubt_hours = 24
create_timeout_seconds = 30
[[account.key]]
id = "main"
secret_env = "K"
creates_per_minute = 100
concurrent = 10
[[account.limit]]
kind = "budget"
window = "month"
usd = "2000.00"
[[tenant]]
id = "acme"
account = "up"
parent = "group"
timezone = "Europe/Berlin"
models = ["flux-*"]
weight = 1
[[tenant.limit]]
id = "daily"
kind = "budget"
window = "day"
usd = "5.00"
mode = "shadow"
alert_at = [0.5, 1.0]
[[tenant.limit]]
kind = "rate"
per_minute = 30
burst = 10
[[tenant.limit]]
kind = "concurrency"
max = 4
[[tenant.guard]]
parameter = "num_images"
min = 1
max = 2
[[tenant.guard]]
parameter = "output_format"
one_of = ["png", 1]
[[tenant.key]]
id = "web"
sha256 = "{"11" * 32}"
expires = 2027-02-01T00:00:00Z
revoked = true
[[tenant]]
id = "group"
[[model]]
slug = "flux"
[model.price]
kind = "megapixel"
base_usd = "0.014"
extra_usd = "0.001"
[model.input.num_images]
type = "integer"
max = 4
""".splitlines()
SLIPS = [
    *('""', '"\\u0000"', '"x"', "-1", "0", "1.5", "nan", "inf", str(10**40), "true"),
    *("[]", "[[]]", "[{}]", '[""]', "{}", '{ id = "x" }', "07:32:00", "1979-05-27", "1979-05-27T07:32:00"),
]


def test_everything_at_once_is_a_policy(load: Load) -> None:
    assert set(load("\n".join(EVERYTHING)).tenants) == {"acme", "group"}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_in_any_field_is_a_policy_or_its_problems(slip: str, load: Load) -> None:
    for position, line in enumerate(EVERYTHING):
        name, equals, _ = line.partition(" = ")
        if equals:
            slipped = [*EVERYTHING[:position], f"{name} = {slip}", *EVERYTHING[position + 1 :]]
            try:
                assert load("\n".join(slipped)).version
            except PolicyInvalid as invalid:
                assert invalid.problems
                assert all("\n" not in str(problem) for problem in invalid.problems)
