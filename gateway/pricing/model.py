"""A model: its name, its price rule and its input schema, as a policy file states them."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Any

import msgspec

from gateway.pricing.kinds import PriceRule
from gateway.pricing.parameter import Parameter
from gateway.pricing.quantities import Quantity
from gateway.pricing.quantity import QuantityRule
from gateway.pricing.references import check_references
from gateway.pricing.refusal import invalid
from gateway.pricing.rule import Rule, at_least_one


class Route(StrEnum):
    """By which of upstream's routes a model is asked; the value of `route` in the policy file."""

    PREDICTION = "prediction"
    CHAT = "chat"
    SPEECH = "speech"
    TRANSCRIPTION = "transcription"
    WORKFLOW = "workflow"


#: What the slug of a workflow's entry begins with; its id follows.
WORKFLOW_PREFIX = "workflow/"


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    """One model of the upstream.

    `price_version` names the price in quotes and in the ledger, `source` says where it was read; without a `price`
    the model is unpriced. `quantity` defines by name what rules multiply and guards bound. With
    `price_confirmed = false` the price is a draft: the model is refused, whatever an account says of unpriced ones,
    until somebody has compared it and taken the line out. `probe` asks for the true sizes of the input images, to be
    read before the price is quoted. A price holds for its `route` alone: elsewhere the model has none. Times are in
    seconds; after `max_run_seconds` a slot is freed whatever happened.
    Raises ValueError when made if the settings contradict each other.
    """

    slug: str
    route: Route = Route.PREDICTION
    price_version: str = ""
    source: str = ""
    price: PriceRule | None = None
    price_confirmed: bool = True
    probe: bool = False
    quantity: dict[str, Quantity] = {}
    input: dict[str, Parameter] = {}
    usual_run_seconds: int = 30
    max_run_seconds: int = 600

    def __post_init__(self) -> None:
        if not self.slug:
            raise ValueError('slug must not be empty; write the model\'s name, such as "flux-2-klein-4b-base-edit"')
        if (self.route is Route.WORKFLOW) != self.slug.startswith(WORKFLOW_PREFIX):
            raise ValueError(
                f'a workflow has route = "workflow" and slug = "{WORKFLOW_PREFIX}<id>", and nothing else has either'
            )
        at_least_one("usual_run_seconds", self.usual_run_seconds)
        if self.max_run_seconds < self.usual_run_seconds:
            raise ValueError(
                f"max_run_seconds {self.max_run_seconds} is below usual_run_seconds {self.usual_run_seconds}"
            )
        check_references(self.price, self.quantity, self.input)

    @cached_property
    def deciding(self) -> Mapping[str, bool]:
        """The input parameters on which the price depends, each with whether only its length counts."""
        rules = list(self.price.all_rules()) if self.price is not None else []
        compared = [parameter for rule in rules for parameter, _, _ in rule.compares]
        lengths = {name for reader in self._readers for name in reader.lengths}
        read = [name for reader in self._readers for name in reader.parameters]
        return {name: name in lengths for name in (*read, *compared) if name}

    @property
    def looks(self) -> bool:
        """Whether the price depends on the sizes of input images."""
        return any(reader.images for reader in self._readers)

    @cached_property
    def _readers(self) -> "tuple[Rule | QuantityRule, ...]":
        """What reads parameters for the price: its rules, and the quantities that they multiply."""
        rules = tuple(self.price.all_rules()) if self.price is not None else ()
        named = [name for rule in rules for name in rule.quantities]
        named += [part for name in named for part in self.quantity[name].quantities]
        return (*rules, *(self.quantity[name] for name in dict.fromkeys(named)))


def validate(model: Model, input: Mapping[str, Any]) -> None:
    """Check an input against the model's schema.

    Raises Refused (`invalid_input`, `extra["parameter"]`) for the first parameter that is missing or wrong. Null
    counts as absent. Parameters that the schema does not name pass: upstream may know more than the schema.
    """
    for name, parameter in model.input.items():
        value = input.get(name)
        if value is not None:
            if fault := parameter.fault(value, name):
                raise invalid(name, fault)
        elif parameter.required:
            given = "null" if name in input else "missing"
            raise invalid(name, f"{name} is {given}: it is required and must be {parameter.expected}")
