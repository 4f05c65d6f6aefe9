"""Facts: enough of a request to price it again, and nothing that is anybody's secret."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import Refused
from gateway.policy import load_policy
from gateway.pricing import Model, quote
from gateway.pricing.facts import read_facts, write_facts

from .written import written

BOOK = load_policy(Path(__file__).parents[2] / "policies").models
SECRET = "zqj"  # in every text that a person wrote
URL = f"https://example.com/{SECRET}"


def texts(name: str) -> st.SearchStrategy[Any]:
    """Give values of a parameter that upstream might be sent: its own words, and a person's."""
    return st.one_of(
        st.sampled_from(
            ["1K", "4K", "720p", "1080P", "16:9", "auto", "square_hd", "1024x768", "5", "8", "true", "false"]
        ),
        st.integers(1, 20),
        st.booleans(),
        st.none(),
        st.sampled_from([2.5, 5.0]),
        st.builds(lambda w, h: {"width": w, "height": h}, st.integers(1, 3000), st.integers(1, 3000)),
        st.lists(st.just(URL), max_size=4),
        st.integers(0, 3000).map(lambda length: SECRET + "a" * length),
    )


@given(st.data(), st.sampled_from(sorted(BOOK)))
def test_a_request_costs_the_same_by_its_facts_as_by_itself(data: st.DataObject, slug: str) -> None:
    model = BOOK[slug]
    input = {name: data.draw(texts(name), label=name) for name in (*model.input, "num_images", "image_size")}
    try:
        quoted = quote(model, input, [2_000_000])
    except Refused:
        return
    if quoted.estimate == quoted.hold:
        facts = read_facts(model, quoted.facts)
        again = quote(model, facts.input, facts.sources)
        assert (again.estimate, again.hold, again.facts) == (quoted.estimate, quoted.hold, quoted.facts)


def test_facts_are_few_and_hold_no_text_that_a_person_wrote() -> None:
    for model in BOOK.values():
        input = dict.fromkeys(model.input, f"{SECRET} {'long ' * 20}") | {
            name: [URL, URL] for name, parameter in model.input.items() if parameter.type == "array"
        }
        facts = write_facts(model, input, [1_000_000])
        assert SECRET not in facts
        assert len(facts) < 80, facts


def test_the_facts_of_a_request_that_says_nothing_are_empty(klein: Model) -> None:
    assert write_facts(klein, {}) == ""
    assert read_facts(klein, "") == ({}, ())


def test_klein_is_priced_by_size_number_and_how_many_images_there_are(klein: Model) -> None:
    input = {"prompt": SECRET, "image_urls": [URL, URL], "image_size": "square_hd", "num_images": 3, "seed": 7}
    assert write_facts(klein, input) == '{"image_size":"square_hd","num_images":3,"image_urls":[2]}'
    assert write_facts(klein, {"image_urls": [URL]}, [1_000_000]) == '{"image_urls":[1],"":[1000000]}'
    assert write_facts(klein, {"image_urls": [URL]}, [None]) == '{"image_urls":[1]}'


def test_a_price_depends_on_what_its_quantities_and_conditions_read() -> None:
    model = written(
        """
        [quantity.letters]
        kind = "characters"
        parameter = "prompt"
        [quantity.images]
        kind = "value"
        parameter = "num_images"
        [input.prompt]
        type = "string"
        [input.resolution]
        type = "string"
        [input.num_images]
        type = "integer"
        [price]
        kind = "conditional"
        otherwise = { kind = "per_unit", quantity = "letters", usd = "1" }
        [[price.case]]
        parameter = "resolution"
        equals = "4k"
        price = { kind = "fixed", usd = "1" }
        """
    )
    assert dict(model.deciding) == {"prompt": True, "resolution": False}  # num_images is for guards only
    facts = write_facts(model, {"prompt": "four", "resolution": "1k", "num_images": 2})
    assert facts == '{"prompt":4,"resolution":"1k"}'
    assert read_facts(model, facts).input == {"prompt": "xxxx", "resolution": "1k"}


@pytest.mark.parametrize(
    "text", ["x", "[]", "7", '{"image_urls": "many"}', '{"image_urls": [1, 2]}', '{"": 7}', '{"a": {"b": "c"}}']
)
def test_what_is_no_fact_is_told(klein: Model, text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_facts(klein, text)
