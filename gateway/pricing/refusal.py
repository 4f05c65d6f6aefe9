"""How an input is refused: which parameter, what its value is, what would be right."""

import json

from gateway.domain.errors import Code, Refused

#: A refusal quotes no more of a text than this: it helps a person, and is not to carry whole prompts about.
_SHOWN_CHARACTERS = 60
_SHOWN_BITS = 64


def invalid(parameter: str, message: str) -> Refused:
    """Make the refusal of an input; `parameter` is the name at the top of the input."""
    return Refused(Code.INVALID_INPUT, message, extra={"parameter": parameter})


def no_price(parameter: str, what: str) -> Refused:
    """Make the refusal of values for which a rule has no price, though the model has one for others."""
    return Refused(Code.MODEL_UNPRICED, f"there is no price for {what}", extra={"parameter": parameter})


def shown(value: object) -> str:
    """Write a JSON value short enough for a message, whatever its size or depth."""
    if isinstance(value, str):
        cut = value[:_SHOWN_CHARACTERS]
        return json.dumps(cut) if cut == value else f"{json.dumps(cut)}… ({len(value)} characters)"
    if isinstance(value, list | tuple):
        return f"an array of {len(value)} items"
    if isinstance(value, dict):
        return f"an object of {len(value)} fields"
    if isinstance(value, int) and value.bit_length() > _SHOWN_BITS:
        return f"an integer of {value.bit_length()} bits"  # Python refuses to write very long ones
    if isinstance(value, bool | int | float | None):
        return json.dumps(value)
    return type(value).__name__
