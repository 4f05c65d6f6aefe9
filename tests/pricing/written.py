"""Models as an operator writes them."""

import tomllib
from typing import Any

import msgspec

from gateway.pricing import Model, quote

DURATION = """
[input.duration]
type = ["string", "integer", "number"]
default = "5"
[quantity.seconds]
kind = "value"
parameter = "duration"
"""
IMAGES = """
[input.num_images]
type = ["integer", "string"]
default = 1
[quantity.images]
kind = "value"
parameter = "num_images"
"""
RESOLUTION = '[input.resolution]\ntype = "string"\ndefault = "1K"\n'


def written(*parts: str) -> Model:
    """Read a model from the inside of a [[model]] table, without its slug."""
    return msgspec.convert({"slug": "some-model"} | tomllib.loads("\n".join(parts)), Model)


def dollars(model: Model, **input: Any) -> tuple[str, str]:
    """Give estimate and hold."""
    body = quote(model, input).as_json()
    return body["estimate_usd"], body["hold_usd"]
