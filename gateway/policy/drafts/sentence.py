"""Sentences about a price, made into a rule where they can mean only one."""

import re
from collections.abc import Callable, Collection, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from gateway.domain.money import MoneyError, format_usd, parse_usd

#: An amount of a page, as the first group of an expression has it.
USD = r"\$([0-9]{1,9}(?:\.[0-9]+)?)"
_LENGTH = r"([0-9]{1,4})"
#: What a sentence may begin with, such as "720p pricing (fallback): ".
_LABEL = r"(?:[^$:]*: )?"
#: The names that guards of many models share, by parameter; elsewhere a quantity has the name of its parameter.
SHARED = MappingProxyType({"num_images": "images", "duration": "seconds"})


class DraftedPrice(NamedTuple):
    """A price as a policy file has it: the rule, and the quantities that it multiplies."""

    rule: dict[str, Any]
    quantities: dict[str, dict[str, str]]


def draft_sentence(sentence: str, parameters: Collection[str]) -> DraftedPrice | None:
    """Give the price that a sentence states for a model with these parameters; None for one that may mean others.

    Raises MoneyError for an amount that money here cannot be.
    """
    for pattern, parameter, draft in _SENTENCES:
        found = re.fullmatch(pattern, sentence.removesuffix("."), re.IGNORECASE)
        if found and (not parameter or parameter in parameters):
            return draft([group for group in found.groups() if group])
    return None


def per_unit(parameter: str, usd: str) -> DraftedPrice:
    """Give the price of so much for each of what a parameter counts."""
    name = SHARED.get(parameter, parameter)
    return DraftedPrice({"kind": "per_unit", "quantity": name, "usd": written(usd)}, {name: value_of(parameter)})


def value_of(parameter: str) -> dict[str, str]:
    """Give the quantity that a parameter states as a number."""
    return {"kind": "value", "parameter": parameter}


def written(usd: str) -> str:
    """Write an amount of a page as policy files have it.

    Raises MoneyError, also for nothing: pages whose price is not known say "$0.00000000".
    """
    units = parse_usd(usd)
    if not units:
        raise MoneyError("nothing is no price")
    return format_usd(units)


def _megapixel(groups: Sequence[str]) -> DraftedPrice:
    return DraftedPrice({"kind": "megapixel", "base_usd": written(groups[0]), "extra_usd": written(groups[1])}, {})


def _fixed(groups: Sequence[str]) -> DraftedPrice:
    return DraftedPrice({"kind": "fixed", "usd": written(groups[0])}, {})


def _seconds(groups: Sequence[str]) -> DraftedPrice:
    return per_unit("duration", groups[0])


def _images(groups: Sequence[str]) -> DraftedPrice:
    return per_unit("num_images", groups[0])


def _characters(groups: Sequence[str]) -> DraftedPrice:
    rule = {"kind": "per_unit", "quantity": "characters", "per": 1_000, "usd": written(groups[0])}
    return DraftedPrice(rule, {"characters": {"kind": "characters", "parameter": "prompt"}})


def _base_plus_extra(groups: Sequence[str]) -> DraftedPrice:
    included, base, extra = groups
    amounts = {"included": int(included), "base_usd": written(base), "extra_usd": written(extra)}
    return DraftedPrice(
        {"kind": "base_plus_extra", "quantity": "seconds", **amounts}, {"seconds": value_of("duration")}
    )


#: What upstream's pages write, the parameter that it needs, and what it means.
_SENTENCES: tuple[tuple[str, str, Callable[[Sequence[str]], DraftedPrice]], ...] = (
    (rf"(?:per-megapixel pricing: )?{USD} base \+ {USD}/extra mp \(ceil rounding\)", "", _megapixel),
    (rf"(?:fixed price[^$:]*: )?{USD}(?: per (?:run|request|execution|generation))?", "", _fixed),
    (rf"{_LABEL}{USD}(?:/| per )second(?: of generated video)?", "duration", _seconds),
    (rf"{_LABEL}{USD}(?:/| per )image(?: \(input\.num_images, default 1\))?", "num_images", _images),
    (rf"{_LABEL}{USD} per 1,000 characters of input prompt", "prompt", _characters),
    (rf"A {_LENGTH}-second video costs {USD}\. Each additional second costs {USD}", "duration", _base_plus_extra),
    (
        rf"For {_LENGTH}s video your request will cost {USD}\. For every additional second you will be charged {USD}",
        "duration",
        _base_plus_extra,
    ),
)
