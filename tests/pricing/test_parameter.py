"""Schemas that contradict themselves are errors of the policy file, not of a request."""

from typing import Any

import msgspec
import pytest

from gateway.pricing import Parameter


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "strng"}, "Invalid enum value 'strng'"),
        ({"type": "string", "lenght": 3}, "unknown field `lenght`"),
        ({"type": "string", "default": "gif", "one_of": ["png"]}, 'default must be one of "png", not "gif"'),
        ({"type": "string", "default": 1}, "default must be a string, not 1"),
        ({"type": "integer", "default": 9, "max": 4}, "default must be an integer at most 4, not 9"),
        ({"type": "integer", "default": True}, "default must be an integer, not true"),
        ({"type": "integer", "min": 4, "max": 1}, "min 4 is above max 1"),
        ({"type": "integer", "min": 0.5}, "min of this integer must be an integer, not 0.5"),
        ({"type": "string", "max": -1}, "max cannot be -1"),
        ({"type": "number", "max": float("nan")}, "max cannot be NaN"),
        ({"type": "number", "default": float("inf")}, "default must be a number, not Infinity"),
        ({"type": "boolean", "min": 0}, "min bounds numbers, strings and arrays; this is of type boolean"),
        ({"type": "object", "max": 1}, "max bounds numbers, strings and arrays; this is of type object"),
        ({"type": "integer", "required": True, "default": 1}, "a required parameter has no default"),
        ({"type": "string", "one_of": []}, "one_of lists at least one"),
        ({"type": "array", "one_of": ["a"]}, "for an array put it into items"),
        ({"type": "string", "one_of": ["a", 1]}, "one_of lists 1, which this string can never be"),
        ({"type": "integer", "one_of": [1, 9], "max": 4}, "one_of lists 9, which this integer can never be"),
        ({"type": "string", "items": {"type": "string"}}, "items belong to an array; this is of type string"),
        ({"type": "array", "items": {"type": "string", "required": True}}, "items can be neither required"),
        ({"type": "array", "items": {"type": "integer"}, "default": ["a"]}, 'default[0] must be an integer, not "a"'),
    ],
)
def test_a_schema_that_contradicts_itself_is_an_error(schema: dict[str, Any], said: str) -> None:
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.convert(schema, Parameter)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        ({"type": "number", "min": 0, "max": 1}, [0, 0.5, 1], [-1, 1.5, True, "1", float("nan"), 10**400]),
        ({"type": "number"}, [1, -1e300, 10**400], [float("inf"), float("-inf"), None]),
        ({"type": "integer", "one_of": [1, 2]}, [1, 2], [3, 1.0, True]),
        ({"type": "boolean", "one_of": [True]}, [True], [False, 1]),
        ({"type": "string", "min": 1, "max": 3}, ["a", "äöü"], ["", "abcd"]),
        ({"type": "array", "items": {"type": "array", "max": 1}}, [[], [[]], [[1], [2]]], [[1], [[1, 2]], {}]),
        ({"type": "object"}, [{}, {"a": 1}], [[], "{}"]),
    ],
)
def test_values_are_right_or_wrong(schema: dict[str, Any], right: list[Any], wrong: list[Any]) -> None:
    parameter = msgspec.convert(schema, Parameter)
    assert [parameter.fault(value, "p") for value in right] == [None] * len(right)
    assert all(parameter.fault(value, "p") for value in wrong)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer"}, "an integer"),
        ({"type": "number", "min": 0.5}, "a number at least 0.5"),
        ({"type": "string", "max": 9}, "a string of at most 9 characters"),
        ({"type": "array", "min": 1, "max": 4}, "an array of 1 to 4 items"),
        ({"type": "boolean", "one_of": [True]}, "one of true"),
    ],
)
def test_what_is_right_is_said_in_words(schema: dict[str, Any], words: str) -> None:
    assert msgspec.convert(schema, Parameter).expected == words


def test_a_long_text_is_cut_in_the_message() -> None:
    fault = Parameter(type="string", max=100).fault("x" * 100_000, "prompt")
    assert fault is not None
    assert "(100000 characters)" in fault
    assert len(fault) < 200
