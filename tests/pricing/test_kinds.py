"""Each kind of price rule, from the text that an operator writes to estimate and hold."""

from typing import Any

import msgspec
import pytest

from gateway.domain.errors import Code, Refused
from gateway.pricing import Model, quote
from pricing.written import DURATION, IMAGES, RESOLUTION, dollars, written

SECOND = '[price]\nkind = "per_unit"\nquantity = "seconds"\nusd = "0.1"\n'
VEO = """
[input.duration]
type = ["string", "integer"]
default = "8"
[input.generate_audio]
type = ["boolean", "string"]
default = true
[price]
kind = "table"
on = ["duration", "generate_audio"]
rows = [["4", "false", "0.80"], ["4", "true", "1.60"], ["8", "true", "3.20"]]
"""


@pytest.mark.parametrize(
    ("duration", "usd"), [(5, "0.50"), ("10", "1.00"), (5.5, "0.55"), ("5.125", "0.5125"), (10**9, "100000000.00")]
)
def test_a_unit_is_multiplied_by_a_parameter(duration: Any, usd: str) -> None:
    model = written(DURATION, SECOND)
    if usd.startswith("1000"):
        with pytest.raises(Refused, match="could cost more than"):
            quote(model, {"duration": duration})
    else:
        assert dollars(model, duration=duration) == (usd, usd)


def test_a_missing_parameter_takes_the_default_of_the_schema() -> None:
    model = written(DURATION, SECOND)
    assert dollars(model) == dollars(model, duration=None) == dollars(model, duration="5") == ("0.50", "0.50")


@pytest.mark.parametrize("duration", [0, -5, "0", "auto", "5s", True, [], float("nan"), ""])
def test_a_quantity_that_is_no_number_above_0_is_refused_and_never_free(duration: Any) -> None:
    with pytest.raises(Refused, match="duration sets the price: it must be a number above 0") as refused:
        quote(written(DURATION, SECOND), {"duration": duration})
    assert refused.value.code is Code.INVALID_INPUT
    assert refused.value.extra == {"parameter": "duration"}


def test_a_line_shows_what_it_multiplies_so_that_anybody_can_check_it() -> None:
    assert quote(written(DURATION, SECOND), {"duration": 5.5}).as_json()["lines"] == [
        {"what": "second", "quantity": "5.5", "unit_usd": "0.10", "usd": "0.55"}
    ]


PORTIONS = '[price]\nkind = "per_unit"\nquantity = "seconds"\nper = 60\nusd = "0.6"\n'


def test_portions_are_charged_in_part_or_as_begun_ones() -> None:
    assert dollars(written(DURATION, PORTIONS), duration=90)[0] == "0.90"
    assert dollars(written(DURATION, PORTIONS, "round_up = true"), duration=90)[0] == "1.20"
    assert dollars(written(DURATION, PORTIONS, "round_up = true"), duration=60)[0] == "0.60"


def test_an_amount_below_a_unit_of_money_is_rounded_up() -> None:
    million = '[price]\nkind = "per_unit"\nquantity = "seconds"\nper = 1_000_000\nusd = "0.035"\n'
    assert quote(written(DURATION, million), {"duration": 1}).estimate == 4  # 3.5 units of 1e-8 USD


EXTRA = (
    '[price]\nkind = "base_plus_extra"\nquantity = "seconds"\nincluded = 5\nbase_usd = "0.28"\nextra_usd = "0.056"\n'
)


@pytest.mark.parametrize(
    ("duration", "usd"), [(1, "0.28"), (5, "0.28"), (6, "0.336"), (10, "0.56"), ("5.5", "0.308")]
)
def test_a_base_covers_what_is_included_and_extra_is_charged_beyond(duration: Any, usd: str) -> None:
    assert dollars(written(DURATION, EXTRA), duration=duration) == (usd, usd)


def test_begun_extra_units_may_count_whole() -> None:
    assert dollars(written(DURATION, EXTRA, "round_up = true"), duration="5.5")[0] == "0.336"


def test_an_included_amount_may_be_a_decimal() -> None:
    model = written(DURATION, EXTRA.replace("included = 5", 'included = "5.4"'))
    assert dollars(model, duration=5.5)[0] == "0.2856"


@pytest.mark.parametrize(
    ("input", "usd"),
    [
        ({}, "3.20"),
        ({"duration": "4"}, "1.60"),
        ({"duration": 4, "generate_audio": False}, "0.80"),
        ({"duration": 4.0, "generate_audio": "false"}, "0.80"),
        ({"duration": 8, "generate_audio": True}, "3.20"),
    ],
)
def test_a_table_compares_texts_as_upstream_does(input: dict[str, Any], usd: str) -> None:
    assert dollars(written(VEO), **input) == (usd, usd)


@pytest.mark.parametrize(
    "input",
    [
        {"duration": 6},
        {"duration": "8", "generate_audio": False},
        {"generate_audio": "True"},
        {"duration": "04"},
        {"duration": ["4"]},
        {"duration": {}},
    ],
)
def test_a_value_without_a_row_is_refused_with_what_there_is(input: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        quote(written(VEO), input)
    assert refused.value.code is Code.MODEL_UNPRICED
    assert refused.value.extra == {"parameter": "duration"}
    assert refused.value.message.startswith("there is no price for duration ")
    assert "some of duration 4, 8; generate_audio false, true" in refused.value.message


SIZES = '[price]\nkind = "table"\non = ["resolution"]\nrows = [["1K", "0.15"], ["4K", "0.30"]]\n'


def test_a_table_tells_cases_apart_unless_it_says_otherwise() -> None:
    with pytest.raises(Refused):
        quote(written(RESOLUTION, SIZES), {"resolution": "4k"})
    assert dollars(written(RESOLUTION, SIZES, "ignore_case = true"), resolution="4k")[0] == "0.30"


def test_a_price_for_one_may_itself_be_a_rule() -> None:
    each = SIZES.replace("[price]", "[price.each]")
    model = written(IMAGES, RESOLUTION, '[price]\nkind = "per_unit"\nquantity = "images"\n', each)
    assert dollars(model, num_images="3", resolution="4K") == ("0.90", "0.90")
    assert quote(model, {"num_images": 3}).as_json()["lines"] == [
        {"what": "image, resolution 1K", "quantity": 3, "unit_usd": "0.15", "usd": "0.45"}
    ]


WAN = """
[price]
kind = "conditional"
[[price.case]]
parameter = "resolution"
equals = "720p"
ignore_case = true
price = { kind = "per_unit", quantity = "seconds", usd = "0.1" }
[[price.case]]
parameter = "resolution"
equals = "1K"
price = { kind = "fixed", usd = "7" }
"""
FALLBACK = '[price.otherwise]\nkind = "per_unit"\nquantity = "seconds"\nusd = "0.15"\n'


def test_the_first_case_that_applies_decides_and_then_the_fallback() -> None:
    model = written(DURATION, RESOLUTION, WAN, FALLBACK)
    assert dollars(model, resolution="720P")[0] == "0.50"
    assert dollars(model)[0] == "7.00"  # the schema's default is 1K
    assert dollars(model, resolution="1k")[0] == "0.75"
    assert dollars(model, resolution=["720p"], duration=10)[0] == "1.50"


def test_without_a_fallback_what_no_case_has_is_refused() -> None:
    with pytest.raises(Refused, match='no price for resolution "4K"; there is one for resolution 720p') as refused:
        quote(written(DURATION, RESOLUTION, WAN), {"resolution": "4K"})
    assert refused.value.code is Code.MODEL_UNPRICED


TOKENS = """
[quantity.written]
kind = "after_run"
usual = 1_000
most = 8_000
[price]
kind = "sum"
[[price.part]]
kind = "per_unit"
quantity = "seconds"
usd = "0.1"
[[price.part]]
kind = "per_unit"
quantity = "written"
per = 1_000_000
usd = "40"
"""


def test_parts_are_added_and_what_the_run_decides_is_held_at_its_most() -> None:
    price = quote(written(DURATION, TOKENS), {})
    assert (price.estimate, price.hold) == (50_000_000 + 4_000_000, 50_000_000 + 32_000_000)
    assert price.assumptions == ("written are known only after the run: estimated at 1000, held at 8000",)


def test_what_several_parts_assume_is_said_once() -> None:
    twice = TOKENS + '[[price.part]]\nkind = "per_unit"\nquantity = "written"\nusd = "0"\n'
    assert len(quote(written(DURATION, twice), {}).assumptions) == 1


def test_the_kinds_compose_at_any_depth() -> None:
    model = written(
        IMAGES,
        DURATION,
        RESOLUTION,
        '[price]\nkind = "per_unit"\nquantity = "images"\n',
        WAN.replace("price", "price.each", 1).replace("[[price.case]]", "[[price.each.case]]"),
        FALLBACK.replace("price.", "price.each."),
    )
    assert dollars(model, num_images=2, resolution="720p", duration=3) == ("0.60", "0.60")


def test_megapixels_may_be_those_of_a_defined_quantity() -> None:
    model = written(
        RESOLUTION,
        '[input.aspect_ratio]\ntype = "string"\ndefault = "16:9"\n'
        '[quantity.pixels]\nkind = "frame"\nkeeps_area = true\nmax_pixels = 9_000_000\n'
        '[price]\nkind = "megapixel"\nbase_usd = "0.014"\nextra_usd = "0.001"\npixels = "pixels"\n',
    )
    assert dollars(model, resolution="1080p", aspect_ratio="1:1") == ("0.016", "0.016")  # 2.07 MP are three begun
    assert dollars(model, resolution="1080p", aspect_ratio="auto") == ("0.022", "0.022")  # nine


@pytest.mark.parametrize(
    ("price", "said"),
    [
        ({"kind": "per_unit", "quantity": "seconds"}, "either usd or each"),
        (
            {"kind": "per_unit", "quantity": "seconds", "usd": "1", "each": {"kind": "fixed", "usd": "1"}},
            "either usd",
        ),
        ({"kind": "per_unit", "quantity": "seconds", "usd": "1", "per": 0}, "per must be at least 1"),
        ({"kind": "per_unit", "quantity": "seconds", "usd": "x"}, "usd: not an amount"),
        ({"kind": "per_unit", "quantity": "minutes", "usd": "1"}, "uses the quantity 'minutes'"),
        ({"kind": "table", "on": [], "rows": [["1"]]}, "on names 1 to 3 parameters, not 0"),
        ({"kind": "table", "on": ["a", "b", "c", "d"], "rows": [["1"] * 5]}, "on names 1 to 3 parameters, not 4"),
        ({"kind": "table", "on": ["duration"], "rows": []}, "rows must not be empty"),
        ({"kind": "table", "on": ["duration"], "rows": [["5"]]}, "must have 1 values and an amount"),
        ({"kind": "table", "on": ["duration"], "rows": [["5", 0.5]]}, "Expected `str`, got `float`"),
        ({"kind": "table", "on": ["duration"], "rows": [["5", "-1"]]}, "not an amount of US dollars: '-1'"),
        ({"kind": "table", "on": ["duration"], "rows": [["5", "1"], ["5", "2"]]}, "rows must differ"),
        ({"kind": "table", "on": ["resoluton"], "rows": [["5", "1"]]}, "uses the parameter 'resoluton'"),
        (
            {"kind": "table", "on": ["mode"], "rows": [["fats", "1"]]},
            "compares mode with 'fats'; its schema has fast",
        ),
        ({"kind": "conditional", "case": []}, "case must not be empty"),
        ({"kind": "conditional", "case": [{"parameter": "mode", "equals": "FAST", "price": {}}]}, "$.price.case"),
        ({"kind": "sum", "part": []}, "part must not be empty"),
        ({"kind": "sum", "part": [{"kind": "per_unit", "quantity": "x", "usd": "1"}]}, "the quantity 'x'"),
        (
            {"kind": "base_plus_extra", "quantity": "seconds", "included": -1, "base_usd": "1", "extra_usd": "1"},
            "incl",
        ),
        ({"kind": "base_plus_extra", "quantity": "seconds", "included": 1, "base_usd": "1"}, "extra_usd"),
        ({"kind": "eval", "formula": "1"}, "Invalid value 'eval'"),
    ],
)
def test_a_rule_that_contradicts_itself_or_its_model_is_an_error_of_the_file(
    price: dict[str, Any], said: str
) -> None:
    raw = {
        "slug": "m",
        "input": {"duration": {"type": "string"}, "mode": {"type": "string", "one_of": ["fast", "slow"]}},
        "quantity": {"seconds": {"kind": "value", "parameter": "duration"}},
        "price": price,
    }
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.convert(raw, Model)
    assert said in str(error.value)


def test_a_case_of_another_writing_is_a_slip_unless_case_is_ignored() -> None:
    mode = '[input.mode]\ntype = "string"\none_of = ["fast"]\n'
    case = '[price]\nkind = "conditional"\n[[price.case]]\nparameter = "mode"\nequals = "FAST"\n'
    fixed = 'price = { kind = "fixed", usd = "1" }\n'
    with pytest.raises(msgspec.ValidationError, match="compares mode with 'FAST'"):
        written(mode, case, fixed)
    assert dollars(written(mode, case, "ignore_case = true", fixed), mode="fast")[0] == "1.00"
