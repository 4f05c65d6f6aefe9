"""Variants: a model with one field of its price changed, to see whether upstream bills by that one."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from gateway.pricing.model import Model

#: The two sizes that a megapixel has: sources differ, and so may upstream.
_MEGAPIXELS = (1_000_000, 1_048_576)
#: Included amounts that are tried, such as the first 5 or 40 seconds.
_MOST_INCLUDED = 60

Path = tuple[str | int, ...]


class Field(NamedTuple):
    """A field of a model's file, by the way to it, with its value; of a row of a table what it is looked up by."""

    path: Path
    value: Any
    row: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The way to it in words, such as `price.case[0].price.usd`, or `price.rows[4, 1080p, true]`."""
        steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path]
        if self.row:
            steps[-1] = f"[{', '.join(self.row)}]"
        return "".join(steps)[1:]


def amounts(model: Model) -> Iterator[Field]:
    """Give every amount of the price: texts of US dollars, also at the ends of a table's rows."""
    for field in _fields(model.price, ("price",)):
        if isinstance(field.value, str) and (str(field.path[-1]).endswith("usd") or field.path[-2:-1] == ("rows",)):
            yield field


def alternatives(model: Model) -> Iterator[tuple[Field, Any]]:
    """Give every other field that a bill may be explained by, with a value that it might have instead."""
    for field in _fields(model.price, ("price",)):
        for other in _others(str(field.path[-1]), field.value):
            yield field, other
    for name in model.deciding:
        parameter = model.input.get(name)
        if parameter is not None and parameter.default is not None:
            for choice in parameter.one_of or ():
                if choice != parameter.default:
                    yield Field(("input", name, "default"), parameter.default), choice


def changed(model: Model, path: Path, value: Any) -> Model:
    """Give the model with one field changed. Raises ValueError where its rules do not allow the value."""
    try:
        return _changed(model, path, value)  # type: ignore[no-any-return]
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def _others(name: str, value: Any) -> Iterator[Any]:
    if isinstance(value, bool) and name != "ignore_case":
        yield not value
    elif name == "megapixel_pixels":
        yield from (size for size in _MEGAPIXELS if size != value)
    elif name == "images_parameter":
        yield ""  # a price for the request, and not for each image
    elif name == "included" and isinstance(value, int):
        yield from (count for count in range(_MOST_INCLUDED + 1) if count != value)


def _fields(node: Any, path: Path) -> Iterator[Field]:
    """Go through all fields below a rule; the ends of rows are given by the place of the row."""
    if isinstance(node, msgspec.Struct):
        for name in node.__struct_fields__:
            yield from _fields(getattr(node, name), (*path, name))
    elif isinstance(node, tuple) and path[-1] == "rows":
        for place, row in enumerate(node):
            yield Field((*path, place), row[-1], row[:-1])
    elif isinstance(node, tuple):
        for place, item in enumerate(node):
            yield from _fields(item, (*path, place))
    else:
        yield Field(path, node)


def _changed(node: Any, path: Path, value: Any) -> Any:
    if not path:
        return (*node[:-1], value) if isinstance(node, tuple) else value
    step, rest = path[0], path[1:]
    if isinstance(node, msgspec.Struct):
        return msgspec.structs.replace(node, **{str(step): _changed(getattr(node, str(step)), rest, value)})
    if isinstance(node, dict):
        return node | {step: _changed(node[step], rest, value)}
    place = int(step)
    return (*node[:place], _changed(node[place], rest, value), *node[place + 1 :])
