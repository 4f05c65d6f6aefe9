"""Random inputs of any model: such as its schema allows, and such as nobody should send."""

from collections.abc import Mapping
from random import Random
from typing import Any

from gateway.pricing import Model, Parameter

URL = "https://example.com/1.png"
LETTERS = "abcdefghij klmnop,.\n" + "éß汉字😀Ω"
ODD = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2.5,
    1e308,
    float("nan"),
    10**30,
    "",
    "5",
    "5.5",
    "auto",
    "1080p",
    "9" * 40,
    "4096x4096",
)
ODD_SIZES = ({"width": 4000, "height": 4000}, {"width": "x"}, "2048x2048", "4K", "16:9", "8000 by 8000", [], {}, [[]])
USUAL_SIZES = ("square_hd", "landscape_16_9", "1536x1024", "1024x1792", "2K", "auto", "1080p")


def valid_input(model: Model, chance: Random) -> dict[str, Any]:
    """Draw an input that the model's schema allows; what is optional is there or not, or null."""
    input = {}
    for name, parameter in model.input.items():
        if parameter.required or chance.random() < 0.6:
            input[name] = _value(name, parameter, chance)
        elif chance.random() < 0.1:
            input[name] = None
    return input


def odd_input(model: Model, chance: Random) -> dict[str, Any]:
    """Draw an input in which some values are odd, missing or unknown."""
    input = valid_input(model, chance)
    for name in [
        *chance.sample(sorted(model.input), min(2, len(model.input))),
        "num_images",
        "image_size",
        "duration",
    ]:
        if chance.random() < 0.5:
            input[name] = chance.choice(chance.choice((ODD, ODD_SIZES)))
        elif chance.random() < 0.2:
            input.pop(name, None)
    return input


def _value(name: str, parameter: Parameter, chance: Random) -> Any:
    if parameter.one_of is not None:
        return chance.choice(parameter.one_of)
    return _of_type(name, parameter, chance.choice(parameter.types), chance)


def _of_type(name: str, parameter: Parameter, kind: str, chance: Random) -> Any:
    least, most = parameter.min, parameter.max
    if kind == "boolean":
        return chance.random() < 0.5
    if kind == "integer":
        return chance.randint(int(least or 0), int(most if most is not None else 10**6))
    if kind == "number":
        return round(chance.uniform(float(least or 0), float(most or 100)), 3)
    if kind == "array":
        items = parameter.items or Parameter(type="string")
        return [_value("url", items, chance) for _ in range(chance.randint(int(least or 0), int(most or 4)))]
    return {} if kind == "object" else _text(name, int(least or 0), chance)


def _text(name: str, least: int, chance: Random) -> str:
    if name == "model":
        return "openai/gpt-5.1"
    if "size" in name:
        return chance.choice(USUAL_SIZES)
    if "url" in name or "image" in name:
        return URL
    length = least + int(chance.expovariate(1 / 40))
    alphabet = LETTERS if chance.random() < 0.3 else LETTERS[:20]
    return "".join(chance.choices(alphabet, k=length))


def without_null(input: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is null, which counts as absent."""
    return {name: value for name, value in input.items() if value is not None}
