"""Drafts of model files: from a saved page, and from upstream's schema, whatever stands in it."""

import json
import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.drafts.draft import write_draft
from gateway.policy.drafts.page import read_page
from gateway.policy.drafts.publication import PriceRow, Publication, PublicationUnreadable, read_answer
from gateway.policy.drafts.schema import draft_parameter
from gateway.pricing import Model, quote, unpriced_quote
from gateway.pricing.kinds.composed import Conditional, PerUnit

PAGES = Path(__file__).parent / "pages"
SHIPPED = Path(__file__).parents[2] / "policies" / "models" / "flux-2-klein-4b-base-edit.toml"
TODAY = date(2026, 11, 1)
PAGE = (PAGES / "flux-2-klein-4b-base-edit.txt").read_text("utf-8")


def model_of(publication: Publication) -> Model:
    """Load a draft as `gateway check` does."""
    (entry,) = tomllib.loads(write_draft(publication, TODAY))["model"]
    return msgspec.convert(entry, Model)


def answer(**properties: Any) -> Publication:
    schema = {"type": "object", "required": [], "properties": properties}
    return read_answer(json.dumps({"slug": "m", "title": "M", "request_schema": schema}).encode(), "https://x/m")


def drafted(schema: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    return draft_parameter(schema, required=required).fields


def test_the_draft_of_kleins_page_is_the_shipped_model_but_for_what_the_page_does_not_say() -> None:
    shipped = msgspec.convert(tomllib.loads(SHIPPED.read_text("utf-8"))["model"][0], Model)
    draft = model_of(read_page(PAGE))
    assert (shipped.price_confirmed, draft.price_confirmed) == (True, False)
    assert (draft.slug, draft.price_version, draft.source) == (shipped.slug, shipped.price_version, shipped.source)
    assert (draft.usual_run_seconds, draft.max_run_seconds) == (10, 600)
    assert draft.price is not None and draft.price == shipped.price
    assert draft.input.keys() == shipped.input.keys()
    for name, parameter in draft.input.items():
        for field in ("type", "required", "default", "min", "max", "one_of"):
            assert getattr(parameter, field) == getattr(shipped.input[name], field), (name, field)


def test_a_page_with_its_line_ends_reads_as_one_without() -> None:
    lines = PAGE.replace(" | | ", " |\n| ").replace(" - **", "\n- **").replace(" ## ", "\n\n## ")
    assert lines != PAGE
    assert read_page(lines) == read_page(PAGE)


@pytest.mark.parametrize(
    ("constraints", "bounds"),
    [("1–4", (1, 4)), ("-1 - 07", (-1, 7)), ("0.5–2", (0.5, 2)), ("1–" + "9" * 5000, (None, None))],
)
def test_a_range_of_the_page_bounds_the_parameter(
    constraints: str, bounds: tuple[float | None, float | None]
) -> None:
    row = f"| strength | number | No | - | {constraints} | - |"
    strength = model_of(page(LIST, [], [PROMPT, row])).input["strength"]
    assert (strength.min, strength.max) == bounds


def test_what_the_page_says_of_the_price_stands_in_the_draft() -> None:
    text = write_draft(read_page(PAGE), TODAY)
    assert text.count("Per-megapixel pricing: $0.014 base + $0.001/extra MP (ceil rounding)") == 1
    assert "its default example: $0.0130" in text


@pytest.mark.parametrize(
    ("sentence", "price"),
    [
        ("$0.017", {"kind": "fixed", "usd": "0.017"}),
        ("$0.06 per request", {"kind": "fixed", "usd": "0.06"}),
        ("Fixed price per background removal: $0.017", {"kind": "fixed", "usd": "0.017"}),
        ("$0.04 per image", {"kind": "per_unit", "quantity": "images", "usd": "0.04"}),
        ("$0.1.7", None),
        ("Price per image: $0.04", None),
        ("$0.00000000", None),
        ("$0.045 per second of generated video.", None),  # of a model without a duration
        ("1 million video tokens costs $2.5.", None),
        ("$0.000000001", None),
        ("Pricing information not available", None),
    ],
)
def test_a_price_is_drafted_from_a_sentence_that_can_mean_only_one(
    sentence: str, price: dict[str, str] | None
) -> None:
    page = PAGE.replace("Per-megapixel pricing: $0.014 base + $0.001/extra MP (ceil rounding)", sentence)
    (entry,) = tomllib.loads(write_draft(read_page(page), TODAY))["model"]
    assert entry.get("price") == price
    assert sentence in write_draft(read_page(page), TODAY)


TABLE = "| Rule | Condition | Price |\n| --- | --- | --- |"
LIST = "| Condition | Pricing |\n| --- | --- |"
PROMPT, DURATION = "| prompt | string | Yes | - | - | - |", "| duration | string | No | 5 | 5,10,15 | - |"
RESOLUTION = "| resolution | string | No | 1080p | 720p,1080p,4k | - |"
AUDIO, IMAGES = (
    "| generate_audio | boolean | No | true | - | - |",
    "| num_images | integer | No | 1 | 1–4 | How many. |",
)


def page(head: str, rows: list[str], parameters: list[str], *, lines: bool = True) -> Publication:
    """Read a page with this table of prices, its line ends kept or lost in saving."""
    columns = "| Parameter | Type | Required | Default | Constraints | Description |\n|---|---|---|---|---|---|"
    facts = "# M\n- **Model Slug:** m\n- **Last Updated:** 2026-05-04\n- **Base Cost:** some words\n"
    tables = "\n".join((head, *rows, "", "## Input Schema", columns, *parameters, "", "## Example Request"))
    text = f"{facts}\n### Pricing Rules\n{tables}"
    return read_page(text if lines else text.replace("\n", " "))


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize(
    ("head", "rows", "parameters", "asked", "usd"),
    [
        (
            TABLE,
            [
                f'| all | duration == "{seconds}" AND resolution == "4k" AND generate_audio == "{on}" | {usd} |'
                for seconds, on, usd in (("5", "false", "$1.60"), ("5", "true", "$2.40"), ("10", "true", "$4.8000"))
            ],
            [DURATION, RESOLUTION, AUDIO],
            {"resolution": "4k", "generate_audio": False},
            "1.60",
        ),
        (
            TABLE,
            [f'| value_match | duration == "{text}" | ${usd} |' for text, usd in (("5", "0.2800"), ("10", "0.5600"))],
            [DURATION],
            {"duration": "10"},
            "0.56",
        ),
        (TABLE, ["| multiply_numeric | num_images (per unit) | $0.0400 |"], [IMAGES], {"num_images": 3}, "0.12"),
        (
            LIST,
            [
                '| resolution eq_i "720P" | 720p pricing: $0.10/second |',
                "| Rule 2 | 1080p pricing (fallback): $0.15/second |",
            ],
            [DURATION, RESOLUTION],
            {"duration": "15", "resolution": "720p"},
            "1.50",
        ),
        (
            TABLE,
            ['| value_match | resolution eq_i "4K" | $1 |', '| value_match | duration == "5" | $0.28 |'],
            [DURATION, RESOLUTION],
            {"resolution": "4k"},
            "1.00",
        ),
        (
            LIST,
            [
                '| generate_audio == "false" | Silent: $0.05 per second. |',
                '| generate_audio == "true" | $0.07 per second |',
            ],
            [DURATION, AUDIO],
            {},
            "0.35",
        ),
        (
            LIST,
            ["| Rule 1 | A 5-second video costs $0.28. Each additional second costs $0.056. |"],
            [DURATION],
            {"duration": "10"},
            "0.56",
        ),
        (
            LIST,
            [
                "| Rule 1 | For 5s video your request will cost $0.21. "
                "For every additional second you will be charged $0.042. |"
            ],
            [DURATION],
            {"duration": "10"},
            "0.42",
        ),
        (
            LIST,
            ["| Rule 1 | $0.035 per image (input.num_images, default 1) |"],
            [IMAGES],
            {"num_images": 2},
            "0.07",
        ),
        (
            LIST,
            ["| Rule 1 | A voice: $0.06 per 1,000 characters of input prompt. |"],
            [],
            {"prompt": "a" * 277},
            "0.01662",
        ),
    ],
)
def test_a_table_of_prices_becomes_the_rule_that_it_states(
    head: str, rows: list[str], parameters: list[str], asked: dict[str, Any], usd: str, lines: bool
) -> None:
    draft = model_of(page(head, rows, [PROMPT, *parameters], lines=lines))
    assert not draft.price_confirmed
    confirmed = msgspec.structs.replace(draft, price_confirmed=True)
    quoted = quote(confirmed, {"prompt": "a cat", **asked}).as_json()
    assert (quoted["estimate_usd"], quoted["hold_usd"]) == (usd, usd)


@pytest.mark.parametrize(
    ("head", "rows", "told"),
    [
        (TABLE, ['| value_match | resolution == "8k" | $0.28 |'], "does not fit the parameters: the price compares"),
        (TABLE, ['| value_match | seconds == "5" | $0.28 |'], "does not fit the parameters: the price uses"),
        (TABLE, ['| range | duration >= "5" | $0.28 |'], ""),
        (TABLE, ["| multiply_numeric | num_videos (per unit) | $0.28 |"], ""),
        (TABLE, ['| value_match | duration == "5" | $0.000000001 |'], ""),
        (TABLE, ['| value_match | duration == "5" | $0.00000000 |'], ""),
        (LIST, ['| generate_audio == "false" | $1.2 per 1M tokens |', "| Rule 2 | $2.4 per 1M tokens |"], ""),
        (LIST, ['| duration == "5" AND resolution == "4k" | $0.28/second |'], ""),
        ("| What | How much |\n| --- | --- |", ["| Rule 1 | $0.28 |"], ""),
    ],
)
def test_a_table_that_could_mean_anything_else_is_left_to_a_person(head: str, rows: list[str], told: str) -> None:
    published = page(head, rows, [PROMPT, DURATION, RESOLUTION, AUDIO])
    text = write_draft(published, TODAY)
    assert model_of(published).price is None
    assert "A [model.price] with its kind and amounts belongs here." in text
    assert told in text


def test_what_follows_a_row_without_a_condition_is_never_reached() -> None:
    rows = ['| resolution == "720p" | $0.10/second |', "| Rule 2 | $0.15/second |", "| Rule 3 | $9.99/second |"]
    price = model_of(page(LIST, rows, [DURATION, RESOLUTION])).price
    assert isinstance(price, Conditional)
    assert (len(price.case), isinstance(price.otherwise, PerUnit) and price.otherwise.usd) == (1, "0.15")


@pytest.mark.parametrize(
    ("parameters", "quantities"),
    [
        ([DURATION, IMAGES], {"seconds": 15, "images": 4}),
        (["| duration | integer | Yes | - | 1–15 | - |"], {"seconds": 15}),
        (["| duration | integer | No | - | 1–15 | - |"], {}),  # not in every request
        (["| duration | integer | No | 5 | - | - |"], {}),  # may be -1, which stands for "as long as the model likes"
        (["| duration | string | No | auto | auto,5,15 | - |"], {}),
        (["| duration | string | No | 5 | - | - |"], {}),
    ],
)
def test_guards_that_many_models_share_bind_a_draft_whatever_its_price(
    parameters: list[str], quantities: dict[str, int]
) -> None:
    draft = model_of(page(TABLE, ['| range | strength >= "5" | $0.28 |'], parameters))
    assert draft.price is None
    asked = {"duration": 15 if "integer" in parameters[0] else "15", "num_images": 4}
    assert unpriced_quote("m", 1, draft, asked).quantities == quantities


def test_a_sentence_beside_a_table_is_no_price_of_its_own() -> None:
    """Pages repeat a row of their table above it, as if it were the price of everything."""
    published = page(TABLE, ['| range | duration >= "5" | $0.28 |'], [DURATION])
    assert model_of(replace(published, prices=("$0.28", *published.prices))).price is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no model page"),
        ("<html>Not found</html>", "no model page"),
        ("- **Model Slug:** m ## Input Schema nothing here", "no table of parameters"),
        ("- **Model Slug:** m", "no table of parameters"),
        ("- **Model Slug:** m ## Input Schema | A | B | | - | - | | x | y |", "no table of parameters"),
    ],
)
def test_a_text_that_is_no_page_is_refused(text: str, why: str) -> None:
    with pytest.raises(PublicationUnreadable, match=why):
        read_page(text)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"<html>", b'{"slug": 1}', b'{"slug": "m", "request_schema": []}']
)
def test_an_answer_that_is_no_model_is_refused(body: bytes) -> None:
    with pytest.raises(PublicationUnreadable, match="no description of a model"):
        read_answer(body, "")


def test_a_schema_becomes_parameters_as_far_as_the_grammar_goes() -> None:
    assert drafted({"type": "integer", "minimum": 1, "maximum": 4.0, "default": 2}) == {
        "type": "integer",
        "default": 2,
        "min": 1,
        "max": 4,
    }
    assert drafted({"type": "string", "minLength": 1, "maxLength": 9}, required=True) == {
        "type": "string",
        "required": True,
        "min": 1,
        "max": 9,
    }
    assert drafted({"enum": ["a", None], "type": ["string", "null"]}) == {"type": "string", "one_of": ["a"]}
    assert drafted({"type": ["integer", "string"], "enum": [5, "5"]}) == {
        "type": ["integer", "string"],
        "one_of": [5, "5"],
    }
    assert drafted({"anyOf": [{"type": "number", "minimum": 0}, {"type": "null"}], "default": None}) == {
        "type": "number",
        "min": 0,
    }
    array = {"type": "array", "minItems": 1, "items": {"type": "string", "enum": ["x"], "description": "d"}}
    assert drafted(array) == {"type": "array", "min": 1, "items": {"type": "string", "one_of": ["x"]}}
    assert drafted({"type": "string", "description": "two\nlines\x00 and \u2028more"}) == {
        "type": "string",
        "description": "two lines and more",
    }


@pytest.mark.parametrize(
    ("schema", "fields", "note"),
    [
        ({}, {}, "type"),
        ({"type": "file"}, {}, "type"),
        ({"type": ["string", "file"]}, {}, "type"),
        ({"type": ["string", "integer"], "minimum": 1}, {"type": ["string", "integer"]}, "min is left out"),
        ({"$ref": "#/definitions/x"}, {}, "type"),
        ({"type": "integer", "default": "many"}, {"type": "integer"}, "default is left out"),
        ({"type": "boolean", "minimum": 1}, {"type": "boolean"}, "min is left out"),
        ({"type": "integer", "enum": ["a"]}, {"type": "integer"}, "one_of is left out"),
        ({"type": "string", "enum": [["a"]]}, {"type": "string"}, "one_of is left out"),
    ],
)
def test_what_does_not_fit_the_grammar_is_left_out_and_said(
    schema: dict[str, Any], fields: dict[str, Any], note: str
) -> None:
    found = draft_parameter(schema, required=False)
    assert (found.fields, any(note in each for each in found.notes)) == (fields, True), found
    assert f"Of parameter p: {found.notes[0]}" in write_draft(answer(p=schema), TODAY)


def test_a_required_parameter_has_no_default() -> None:
    found = draft_parameter({"type": "string", "default": "x"}, required=True)
    assert (found.fields, len(found.notes)) == ({"type": "string", "required": True}, 1)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
WORDS = ("type", "default", "enum", "minimum", "maximum", "minLength", "maxItems", "items", "anyOf", "description")
types = st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null", "file"])
schemas = st.fixed_dictionaries({"type": types | json_values}, optional=dict.fromkeys(WORDS[1:], json_values))


amounts = st.sampled_from(["$1", "$0.10/second", "$0.04 per image", "$0.000000001", "some words"]) | st.text(
    max_size=9
)
names = st.sampled_from(["prompt", "duration", "num_images", "p"])
comparisons = st.builds(
    '{} {} "{}"'.format, names, st.sampled_from(["==", "eq_i", ">"]), st.text(max_size=3) | st.just("5")
)
conditions = st.lists(comparisons, max_size=4).map(" AND ".join) | names.map("{} (per unit)".format) | st.text()
price_rows = st.lists(st.builds(PriceRow, conditions, amounts), max_size=3).map(tuple)


@given(
    st.dictionaries(st.text(max_size=9) | names, schemas, max_size=3),
    st.text(max_size=30),
    st.text(max_size=30),
    price_rows,
)
def test_whatever_upstream_publishes_the_draft_is_a_file_that_check_takes(
    properties: dict[str, Any], title: str, sentence: str, rows: tuple[PriceRow, ...]
) -> None:
    published = Publication("m", title, "https://x", properties, frozenset(properties), (sentence,), rows)
    model = model_of(published)
    assert not model.price_confirmed
    assert model.input.keys() <= properties.keys()
