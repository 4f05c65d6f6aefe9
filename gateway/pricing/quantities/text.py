"""Quantities of text: its characters, and the tokens that a language model will make of it."""

from typing import Any

from gateway.pricing.inputs import Inputs
from gateway.pricing.measure import Measure
from gateway.pricing.quantity import QuantityRule
from gateway.pricing.refusal import invalid, shown
from gateway.pricing.rule import at_least_one

#: A common rule of thumb for English.
_CHARACTERS_PER_TOKEN = 4


class Characters(QuantityRule, frozen=True, kw_only=True, tag="characters"):
    """The characters of a text.

    No page says what counts as one beyond ASCII: code points are estimated, bytes of UTF-8 are held, which are never
    fewer than UTF-16 units, nor than two for each ideograph, as the makers of some voices count.
    """

    parameter: str

    @property
    def parameters(self) -> tuple[str, ...]:
        """The one parameter."""
        return (self.parameter,)

    @property
    def lengths(self) -> tuple[str, ...]:
        """The same."""
        return self.parameters

    def measure(self, inputs: Inputs, _name: str, /) -> Measure:
        """Raises Refused for what is not a text."""
        text = inputs.value(self.parameter)
        if not isinstance(text, str):
            raise invalid(self.parameter, f"{self.parameter} sets the price: it must be a string, not {shown(text)}")
        if text.isascii():
            return Measure.exactly(len(text))
        return Measure.between(
            len(text),
            _bytes(text),
            f"{self.parameter} has characters beyond ASCII, and upstream does not say how it counts them: estimated "
            "at one each, held at one for each byte of UTF-8",
        )


class TextTokens(QuantityRule, frozen=True, kw_only=True, tag="text_tokens"):
    """The tokens of what a language model is given: a quarter of the characters likely, the bytes at the most.

    A token stands for at least one byte; `overhead` are those that mark roles and ends. What is not a mere text, such
    as messages, may refer to images: it is held at `most`, the model's context.
    """

    parameter: str
    most: int
    overhead: int = 16

    def __post_init__(self) -> None:
        at_least_one("most", self.most)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The one parameter."""
        return (self.parameter,)

    @property
    def lengths(self) -> tuple[str, ...]:
        """The same."""
        return self.parameters

    def measure(self, inputs: Inputs, _name: str, /) -> Measure:
        """Total for any value: an absent one has the overhead only."""
        value = inputs.value(self.parameter)
        likely = -(-_length(value) // _CHARACTERS_PER_TOKEN)
        most = min(self.most, _bytes(value) + self.overhead) if isinstance(value, str) else self.most
        likely = min(likely, most)
        text = f"{self.parameter} is counted in tokens by the run: estimated at {likely}, held at {most}"
        return Measure(likely, most, 1, (text,))


def _bytes(text: str) -> int:
    """Count the bytes of UTF-8; half a character, which no valid JSON text has, counts as three."""
    return len(text.encode("utf-8", "surrogatepass"))


def _length(value: Any) -> int:
    """Count the characters of all texts in a value, however deep."""
    total, rest = 0, [value]
    while rest:
        item = rest.pop()
        if isinstance(item, str):
            total += len(item)
        elif isinstance(item, dict):
            rest.extend((*item, *item.values()))
        elif isinstance(item, list):
            rest.extend(item)
    return total
