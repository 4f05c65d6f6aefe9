"""The tables of docs/prices.md say what the code says."""

import re
import tomllib
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from gateway.policy import load_policy
from gateway.pricing import Model, PriceRule, Route, metered_cost, quote, validate
from gateway.pricing.quantities import Quantity

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "prices.md").read_text(encoding="utf-8")
BOOK = load_policy(ROOT / "policies").models
GIVEN = {"prompt": "a cat", "messages": "a cat", "model": "openai/gpt-5.1", "image_urls": ["https://example.com/1"]}
PARAMETERS = (
    "duration",
    "generate_audio",
    "resolution",
    "aspect_ratio",
    "image_size",
    "image_urls",
    "prompt",
    "max_tokens",
)


def rows(title: str) -> list[list[str]]:
    section = TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def line(cell: str) -> str:
    return re.findall(r"`([^`]+)`", cell)[0]


RULES, QUANTITIES = rows("Rules"), rows("Quantities")
#: A model in which every line of both tables can stand.
WHOLE = {
    "slug": "m",
    "input": {name: {"type": "string"} for name in PARAMETERS},
    "quantity": {
        name: each for _, _, cell in QUANTITIES for name, each in tomllib.loads(line(cell))["quantity"].items()
    }
    | {"images": {"kind": "items", "parameter": "image_urls"}},
}


@pytest.mark.parametrize(("table", "union"), [(RULES, PriceRule), (QUANTITIES, Quantity)])
def test_every_kind_stands_in_its_table(table: list[list[str]], union: object) -> None:
    assert {line(row[0]) for row in table} == {kind.__struct_config__.tag for kind in get_args(union)}


@pytest.mark.parametrize("row", RULES, ids=lambda row: row[2][:60])
def test_the_line_of_a_rule_is_one_that_the_gateway_takes(row: list[str]) -> None:
    price = tomllib.loads(line(row[2]))["price"]
    model = msgspec.convert(WHOLE | {"price": price}, Model)
    assert price["kind"] == line(row[0]) == type(model.price).__struct_config__.tag


@pytest.mark.parametrize("row", QUANTITIES, ids=lambda row: row[0])
def test_the_line_of_a_quantity_is_one_that_the_gateway_takes(row: list[str]) -> None:
    ((name, quantity),) = tomllib.loads(line(row[2]))["quantity"].items()
    model = msgspec.convert(WHOLE | {"quantity": WHOLE["quantity"] | {name: quantity}}, Model)
    assert quantity["kind"] == line(row[0]) == type(model.quantity[name]).__struct_config__.tag


def test_every_model_of_the_book_stands_in_its_table_at_what_it_costs() -> None:
    told = {line(row[0]): (row[2], row[3]) for row in rows("The book")}
    assert list(told) == sorted(BOOK)
    for slug, model in BOOK.items():
        input = {
            name: GIVEN.get(name, "https://example.com/1") for name, each in model.input.items() if each.required
        }
        validate(model, input)
        found = ("", "")
        if model.price is not None:
            body = quote(model, input).as_json()
            found = (body["estimate_usd"], body["hold_usd"])
        assert told[slug] == found, slug


def test_the_examples_are_policies_that_pass(tmp_path: Path) -> None:
    model, guard, chat, sound, workflow = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    account = '[[account]]\nid = "a"\nkey = [{ id = "k", secret_env = "K" }]\n[[tenant]]\nid = "t"\n'
    (tmp_path / "a.toml").write_text(f"{account}\n{guard}\n{model}\n{chat}\n{sound}\n{workflow}", encoding="utf-8")
    policy = load_policy(tmp_path)
    assert quote(policy.models["some-video-model"], {}).as_json()["estimate_usd"] == "0.50"
    chat = policy.models["openai/gpt-4o-mini"]
    assert quote(chat, {"messages": [], "max_tokens": 1000}).as_json()["hold_usd"] == "0.0198"
    usage = {"prompt_tokens": 1000, "completion_tokens": 100}
    assert metered_cost(chat, {"messages": []}, usage) == 21_000  # 1000 × 0.15 and 100 × 0.60 for each million
    assert metered_cost(chat, {"messages": []}, {"prompt_tokens": 1000}) is None
    heard = policy.models["openai/whisper-1"]
    assert quote(heard, {"file_bytes": 4_000_000}).as_json()["hold_usd"] == "0.10"
    assert metered_cost(heard, {"file_bytes": 4_000_000}, {"type": "duration", "seconds": 12.5}) == 125_000
    workflow = quote(policy.models["workflow/wf_abc123"], {}).as_json()
    assert (workflow["estimate_usd"], workflow["hold_usd"]) == ("0.20", "0.50")
    assert policy.tenants["t"].guards[0].max == 10


def test_every_route_stands_in_its_table() -> None:
    assert [line(row[0]) for row in rows("Routes")] == [route.value for route in Route]
