"""What every kind of quantity is: a small struct with one method."""

from abc import abstractmethod

import msgspec

from gateway.pricing.inputs import Inputs
from gateway.pricing.measure import Measure
from gateway.pricing.number import Number, read_number


class QuantityRule(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True, tag_field="kind"
):
    """The base of the kinds: its subclasses carry a `tag`, the value of `kind` in the policy file.

    `usage` names the number of an answer's `usage` by which the run tells the quantity, such as `prompt_tokens`; dots
    lead into objects.
    """

    usage: str = ""

    @abstractmethod
    def measure(self, inputs: Inputs, name: str, /) -> Measure:
        """Measure it in one request, under its name; raises Refused for an input that has no upper bound."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """The input parameters that it reads; the schema must have them, since a slip would be another price."""
        return ()

    @property
    def lengths(self) -> tuple[str, ...]:
        """Those of its parameters of which only the length counts, of a text or of a list."""
        return ()

    @property
    def images(self) -> tuple[str, ...]:
        """Those of its parameters that name images whose sizes count, where somebody has looked at them."""
        return ()

    @property
    def quantities(self) -> tuple[str, ...]:
        """The names of the quantities that it is made of."""
        return ()


def bound(name: str, value: int | str) -> Number:
    """Read a number of a policy file: an integer, or a decimal as text; the ValueError names the field."""
    number = read_number(value)
    if number is None:
        raise ValueError(f'{name} must be a number from 0 on, a decimal one as text such as "0.5", not {value!r}')
    return number
