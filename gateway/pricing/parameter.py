"""The input schema of a model: what each parameter may be, and what is wrong with a value that is not."""

import math
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import msgspec

from gateway.pricing.refusal import shown

#: Exact types, as JSON gives them: `bool` is a subclass of `int` in Python, but true is no integer in JSON.
_TYPES: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {
        "string": (str,),
        "integer": (int,),
        "number": (int, float),
        "boolean": (bool,),
        "array": (list,),
        "object": (dict,),
    }
)
_ARTICLES = MappingProxyType({"integer": "an", "array": "an", "object": "an"})
#: The types that min and max bound, with what they count in them.
_UNITS = MappingProxyType({"string": "characters", "array": "items", "integer": "", "number": ""})
Class: TypeAlias = type
Scalar = str | int | float | bool
Type = Literal["string", "integer", "number", "boolean", "array", "object"]


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    """One parameter of a model's input.

    `type` may list several, as JSON Schema allows: upstream takes a duration as 5 or as "5". `min` and `max` bound a
    number's value, a string's characters or an array's items, both inside; they need one type alone. `items`
    describes each item of an array. Raises ValueError when made if the schema contradicts itself.
    """

    type: Type | tuple[Type, ...]
    required: bool = False
    default: Any = None
    min: int | float | None = None
    max: int | float | None = None
    one_of: tuple[Scalar, ...] | None = None
    items: "Parameter | None" = None
    description: str = ""

    def __post_init__(self) -> None:
        if not self.types:
            raise ValueError("type must name at least one")
        self._check_bounds()
        self._check_choices()
        if self.items is not None and self.types != ("array",):
            raise ValueError(f"items belong to an array; this is of type {self._type_words}")
        if self.items is not None and (self.items.required or self.items.default is not None):
            raise ValueError("items can be neither required nor have a default: bound the array by min instead")
        if self.required and self.default is not None:
            raise ValueError(f"a required parameter has no default, yet default is {shown(self.default)}")
        if self.default is not None and (fault := self.fault(self.default, "default")):
            raise ValueError(fault)

    def fault(self, value: Any, path: str) -> str | None:
        """Say what is wrong with a value, naming it by its path and what would be right; None if nothing is."""
        if type(value) not in self._accepted:
            whole = f"; write {int(value)}" if self._is_whole(value) else ""
            return f"{path} must be {self.expected}, not {shown(value)}{whole}"
        if (self._bounded and not self._in_bounds(value)) or (self.one_of is not None and value not in self.one_of):
            return f"{path} must be {self.expected}, not {shown(value)}"
        if self.items is not None:
            for index, item in enumerate(value):
                if fault := self.items.fault(item, f"{path}[{index}]"):
                    return fault
        return None

    @cached_property
    def types(self) -> tuple[Type, ...]:
        """The types that a value may have."""
        return (self.type,) if isinstance(self.type, str) else self.type

    @cached_property
    def _accepted(self) -> frozenset[Class]:
        return frozenset(accepted for name in self.types for accepted in _TYPES[name])

    @cached_property
    def _bounded(self) -> bool:
        """Whether a value of the right type can be out of bounds."""
        return self.min is not None or self.max is not None or float in self._accepted

    @property
    def _type_words(self) -> str:
        return " or ".join(self.types)

    @cached_property
    def expected(self) -> str:
        """Describe the right values in words, for messages."""
        if self.one_of is not None:
            return "one of " + ", ".join(map(shown, self.one_of))
        words = f"{_ARTICLES.get(self.types[0], 'a')} {self._type_words}"
        if self.min is None and self.max is None:
            return words
        unit = _UNITS[self.types[0]]
        return f"{words} of {self._range()} {unit}" if unit else f"{words} {self._range('from ')}"

    def _range(self, between: str = "") -> str:
        if self.min is None:
            return f"at most {self.max}"
        return f"at least {self.min}" if self.max is None else f"{between}{self.min} to {self.max}"

    def _in_bounds(self, value: Any) -> bool:
        """Compare a value of the right type with min and max; what is not finite is in no bounds."""
        if type(value) is float and not math.isfinite(value):
            return False
        if self.min is None and self.max is None:
            return True
        measure = len(value) if type(value) in (str, list) else value
        return (self.min is None or measure >= self.min) and (self.max is None or measure <= self.max)

    def _is_whole(self, value: Any) -> bool:
        """Tell whether a value is 4.0 where 4 is wanted: refused, but with a hint."""
        return "integer" in self.types and type(value) is float and value.is_integer() and abs(value) < 2**53

    def _check_bounds(self) -> None:
        """Raise ValueError for bounds that the type cannot have or that leave nothing."""
        for name, bound in (("min", self.min), ("max", self.max)):
            if bound is None:
                continue
            if len(self.types) > 1 or self.types[0] not in _UNITS:
                raise ValueError(f"{name} bounds numbers, strings and arrays; this is of type {self._type_words}")
            if self.type != "number" and type(bound) is not int:
                raise ValueError(f"{name} of this {self.types[0]} must be an integer, not {shown(bound)}")
            if not math.isfinite(bound) or (bound < 0 and self.types[0] in ("string", "array")):
                raise ValueError(f"{name} cannot be {shown(bound)}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {shown(self.min)} is above max {shown(self.max)}")

    def _check_choices(self) -> None:
        """Raise ValueError for choices that no value, or not the type's values, could meet."""
        if self.one_of is None:
            return
        if not self.one_of or not {"array", "object"}.isdisjoint(self.types):
            raise ValueError("one_of lists at least one string, number or boolean; for an array put it into items")
        for choice in self.one_of:
            if type(choice) not in self._accepted or not self._in_bounds(choice):
                raise ValueError(f"one_of lists {shown(choice)}, which this {self._type_words} can never be")
