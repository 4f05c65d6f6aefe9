"""What a create may not ask for, in the order in which it is told."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from admission.conftest import tenant
from gateway.admission.guards import check_guards
from gateway.admission.price import price
from gateway.admission.reading import CreateBody
from gateway.admission.shadow import shadow_refusals
from gateway.domain.errors import Code, Refused
from gateway.domain.limit import Guard, Mode
from gateway.policy import Policy, load_policy
from gateway.pricing import Model, Parameter, Quote, quote
from gateway.pricing.kinds.fixed import Fixed

STEPS = Parameter(type="integer", default=4, min=1, max=8)
PRICED = Model(slug="priced", price=Fixed(usd="0.01"), input={"steps": STEPS})
DRAFT = Model(slug="draft", price=Fixed(usd="0.01"), price_confirmed=False, input={"steps": STEPS})
SCHEMA_ONLY = Model(slug="schema-only", input={"steps": STEPS})
POLICY = Policy("v", {}, {}, {"priced": PRICED, "schema-only": SCHEMA_ONLY, "draft": DRAFT}, {})
QUOTE = Quote("m", "v", 1, 1, (), (), {"megapixels": 3})
GUARD = Guard("tenant/t", "steps", max=2)


def code(who: Any, model: str, **given: Any) -> Code | None:
    try:
        price(POLICY, who, CreateBody(model, given, b""))
    except Refused as refused:
        return refused.code
    return None


def test_refusals_come_in_the_order_list_price_schema_guards() -> None:
    closed = tenant(guards=[GUARD], allow=(("other-*",),))
    assert code(closed, "unknown", steps=99) is Code.MODEL_NOT_ALLOWED
    open_ = tenant(guards=[GUARD])
    assert code(open_, "unknown", steps=99) is Code.MODEL_UNPRICED
    assert code(open_, "schema-only", steps=99) is Code.MODEL_UNPRICED
    assert code(open_, "priced", steps=99) is Code.INVALID_INPUT
    assert code(open_, "priced", steps=8) is Code.PARAMETER_NOT_ALLOWED
    assert code(open_, "priced", steps=2) is None


def test_an_account_that_takes_unpriced_models_still_checks_schema_and_guards() -> None:
    who = tenant(guards=[GUARD], unpriced=100)
    assert code(who, "schema-only", steps=99) is Code.INVALID_INPUT
    assert code(who, "unknown", steps=99) is Code.PARAMETER_NOT_ALLOWED
    quoted = price(POLICY, who, CreateBody("unknown", {}, b""))
    assert (quoted.estimate, quoted.hold) == (100, 100)


def test_a_price_that_nobody_has_confirmed_is_no_price_even_where_unpriced_models_are_taken() -> None:
    for who in (tenant(), tenant(unpriced=100)):
        assert code(who, "draft", steps=99) is Code.MODEL_UNPRICED
        assert code(who, "draft") is Code.MODEL_UNPRICED


def test_a_default_of_the_schema_is_guarded_as_if_it_were_given() -> None:
    assert code(tenant(guards=[GUARD]), "priced") is Code.PARAMETER_NOT_ALLOWED
    assert code(tenant(guards=[GUARD]), "priced", steps=None) is Code.PARAMETER_NOT_ALLOWED


@pytest.mark.parametrize(
    ("guard", "value"),
    [
        ({"max": 2}, 2),
        ({"max": 2}, 2.0),
        ({"max": 2}, "2"),
        ({"max": 2}, -(10**400)),
        ({"min": 2}, 2),
        ({"min": 2}, 10**400),
        ({"one_of": ("png", 1)}, "png"),
        ({"one_of": ("png", 1)}, 1),
        ({"forbidden": True}, None),
        ({"max": 2}, None),
    ],
)
def test_a_value_within_its_bound_passes(guard: dict[str, Any], value: Any) -> None:
    check_guards([Guard("tenant/t", "p", **guard)], {"p": value}, None, QUOTE)


@pytest.mark.parametrize(
    ("guard", "value"),
    [
        ({"max": 2}, 2.0000001),
        ({"max": 2}, "3"),
        ({"max": 2}, " 3e0 "),
        ({"max": 2}, "1_0"),
        ({"max": 2}, "inf"),
        ({"max": 2}, "nan"),
        ({"max": 2}, "-nan"),
        ({"min": 2}, "nan"),
        ({"max": 2}, "many"),
        ({"max": 2}, True),
        ({"max": 2}, {"n": 1}),
        ({"max": 2}, [1]),
        ({"max": 2}, 10**400),
        ({"min": 2}, 1),
        ({"min": 2}, ""),
        ({"one_of": ("png", 1)}, "PNG"),
        ({"one_of": ("png", 1)}, True),
        ({"one_of": ("png", 1)}, 1.0),
        ({"one_of": ("png", 1)}, ["png"]),
        ({"forbidden": True}, 0),
        ({"forbidden": True}, ""),
        ({"forbidden": True}, False),
    ],
)
def test_a_value_outside_its_bound_is_refused_and_named(guard: dict[str, Any], value: Any) -> None:
    with pytest.raises(Refused) as caught:
        check_guards([Guard("tenant/t", "p", **guard)], {"p": value}, None, QUOTE)
    assert caught.value.code is Code.PARAMETER_NOT_ALLOWED
    assert caught.value.extra["parameter"] == "p"
    number = isinstance(value, int | float) and len(str(value)) <= 80
    assert caught.value.extra["value"] is value if number else caught.value.extra["value"] == str(value)[:80]


def test_a_list_is_judged_by_its_length_where_the_schema_has_one() -> None:
    model = Model(slug="m", input={"urls": Parameter(type="array")})
    guard = Guard("tenant/t", "urls", max=2)
    check_guards([guard], {"urls": ["a", "b"]}, model, QUOTE)
    with pytest.raises(Refused):
        check_guards([guard], {"urls": ["a", "b", "c"]}, model, QUOTE)


def test_a_derived_quantity_is_judged_by_its_upper_bound_unless_it_is_given() -> None:
    check_guards([Guard("tenant/t", "megapixels", max=3)], {}, None, QUOTE)
    with pytest.raises(Refused, match="megapixels is 3"):
        check_guards([Guard("tenant/t", "megapixels", max=2)], {}, None, QUOTE)


BOOK = load_policy(Path(__file__).parents[2] / "policies").models
CAT = {"prompt": "a cat"}


@pytest.mark.parametrize(
    ("slug", "input", "bound", "value"),
    [
        ("bfl-flux-lora", {"num_images": 3}, {"parameter": "images", "max": 2}, 3),
        ("bfl-flux-lora", {"image_size": "square_hd"}, {"parameter": "megapixels", "max": 1}, 2),
        ("bfl-flux-lora", {"num_images": 4}, {"parameter": "total_pixels", "max": 3_000_000}, 3_145_728),
        ("kling-v1-5-pro-text-to-video", {"duration": "10"}, {"parameter": "seconds", "max": 5}, 10),
        ("veo3-1-text-to-video", {}, {"parameter": "seconds", "max": 6}, 8),
        (
            "veo3-1-text-to-video",
            {"duration": 4, "resolution": "4k"},
            {"parameter": "pixels", "max": 2_073_600},
            8_294_400,
        ),
        ("minimax-speech-2-8-turbo", {"prompt": "a" * 501}, {"parameter": "characters", "max": 500}, 501),
        ("nano-banana-pro", {"resolution": "4K"}, {"parameter": "megapixels", "max": 8}, 18),
        ("seedance-v1-pro-text-to-video", {}, {"parameter": "tokens", "max": 200_000}, "257276.25"),
        ("latentsync", {}, {"parameter": "seconds", "max": 60}, 600),
    ],
)
def test_what_is_priced_can_be_bounded_by_its_name_in_every_model(
    slug: str, input: dict[str, Any], bound: dict[str, Any], value: Any
) -> None:
    """The quantities are those of the bill: what a guard judges is what the money is held for."""
    quoted = quote(BOOK[slug], CAT | input)
    check_guards([Guard("tenant/t", bound["parameter"], max=10**9)], CAT | input, BOOK[slug], quoted)
    with pytest.raises(Refused) as caught:
        check_guards([Guard("tenant/t", **bound)], CAT | input, BOOK[slug], quoted)
    assert caught.value.code is Code.PARAMETER_NOT_ALLOWED
    assert caught.value.extra["value"] == value
    assert f"allows it to be at most {bound['max']}" in caught.value.message


def test_a_size_that_nobody_states_is_judged_by_the_most_that_it_can_be() -> None:
    klein, input = BOOK["flux-2-klein-4b-base-edit"], {"prompt": "a", "image_urls": ["https://example.com/1"]}
    with pytest.raises(Refused, match="megapixels is 4"):
        check_guards([Guard("tenant/t", "megapixels", max=2)], input, klein, quote(klein, input))


def test_a_guard_binds_a_model_without_a_price_too() -> None:
    policy = Policy("v", {}, {}, BOOK, {})
    who = tenant(guards=[Guard("tenant/t", "megapixels", max=1)], unpriced=100)
    with pytest.raises(Refused, match="megapixels is 2"):
        price(policy, who, CreateBody("flux-2", CAT | {"image_size": "square_hd"}, b""))
    assert price(policy, who, CreateBody("flux-2", CAT, b"")).hold == 100


def test_a_parameter_of_the_clients_own_does_not_hide_a_derived_quantity() -> None:
    """`megapixels` is no parameter of upstream's: naming it in the input must not talk the guard down."""
    with pytest.raises(Refused):
        check_guards([Guard("tenant/t", "megapixels", max=2)], {"megapixels": 1}, None, QUOTE)


SHADOW_GUARD = Guard("tenant/t", "steps", max=2, mode=Mode.SHADOW)


def shadows(who: Any, model: str, **given: Any) -> list[tuple[str, str]]:
    body = CreateBody(model, given, b"")
    return [tuple(each) for each in shadow_refusals(POLICY, who, body, price(POLICY, who, body))]


def test_what_is_only_watched_refuses_nothing_and_is_told() -> None:
    watching = replace(tenant(guards=[SHADOW_GUARD]), watched=(("other-*",), ("pri*",)))
    assert shadows(watching, "priced", steps=3) == [
        ("models", "model_not_allowed"),
        ("guard-steps", "parameter_not_allowed"),
    ]
    assert shadows(replace(watching, watched=(("pri*",),)), "priced", steps=2) == []


def test_a_guard_of_a_parent_holds_while_one_of_the_tenant_only_watches() -> None:
    both = tenant(guards=[SHADOW_GUARD, GUARD])
    assert code(both, "priced", steps=3) is Code.PARAMETER_NOT_ALLOWED


def test_the_name_of_a_watched_guard_fits_a_header() -> None:
    odd = Guard("tenant/t", "größe, so", forbidden=True, mode=Mode.SHADOW)
    ((name, _),) = shadows(tenant(guards=[odd]), "priced", **{"größe, so": 1})
    assert name == "guard-gr%C3%B6%C3%9Fe%2C%20so"
