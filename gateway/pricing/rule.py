"""What every kind of price rule is: a small struct with one method."""

from abc import abstractmethod
from collections.abc import Iterator

import msgspec

from gateway.domain.money import parse_usd
from gateway.pricing.bill import Bill
from gateway.pricing.inputs import Inputs


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True, tag_field="kind"):
    """The base of the kinds: its subclasses carry a `tag`, the value of `kind` in the policy file.

    Amounts are fields of text, as an operator writes them; each is parsed once, by a cached property, and
    `__post_init__` asks for it, so that a wrong one is an error of the file and not of a request.
    """

    @abstractmethod
    def bill(self, inputs: Inputs) -> Bill:
        """Price one request. Raises Refused for an input that has no upper bound; computes in integers only."""

    @property
    def parts(self) -> "tuple[Rule, ...]":
        """The rules that it is made of."""
        return ()

    @property
    def parameters(self) -> tuple[str, ...]:
        """The input parameters that it reads itself, other than to compare them."""
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
        """The names of the quantities that it multiplies; the model must define them."""
        return ()

    @property
    def compares(self) -> "tuple[tuple[str, str, bool], ...]":
        """The parameters that it compares with a text each, and whether without regard to case.

        The schema must have them and allow the text: a slip would be a price that never applies, or always.
        """
        return ()

    def all_rules(self) -> "Iterator[Rule]":
        """Give the rule and all that it is made of."""
        yield self
        for part in self.parts:
            yield from part.all_rules()


def amount(name: str, text: str) -> int:
    """Read an amount of a policy file into units of 1e-8 USD; the ValueError names the field."""
    try:
        return parse_usd(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def at_least_one(name: str, value: int) -> None:
    """Raise ValueError, naming the field, for a setting that would divide by zero or price below nothing."""
    if value < 1:
        raise ValueError(f"{name} must be at least 1, not {value}")
