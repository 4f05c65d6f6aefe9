"""No number leaves Lua as text by a door that writes 100000000000001 as 1e+14.

`..`, `tostring` and cjson write a number with 14 digits. The scripts hand numbers out as arguments of redis.call, as
integer replies, by cmsgpack, or through `int`. So whatever stands beside a `..` must be known as text.
"""

import re
from importlib.resources import files

import pytest
from redis.asyncio import Redis

#: What is text wherever it occurs: parts of keys, fields that Redis replied, strings of the request.
TEXTS = frozenset(
    (
        *("prefix", "id", "scope", "index", "clock", "owner", "lane", "tenant", "prediction"),
        *("letter", "model", "state", "event"),
        *("r.counters", "r.state", "r[3]", "c.key", "entry[1]", "rate[1]"),
        *("counter.key", "counter.scope", "share", "mark", "name", "line", "time"),
    )
)
#: Calls whose result is text.
WRITERS = frozenset(("int", "table.concat"))
FORBIDDEN = ("tostring", "cjson.encode")

_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*) | (?P<text>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*") | (?P<name>[A-Za-z_]\w*(?:\.\w+)*)
    | (?P<rest>\.\.\.) | (?P<join>\.\.) | (?P<number>\d+(?:\.\d+)?) | (?P<sign>\S)""",
    re.VERBOSE,
)
_ARITHMETIC = frozenset("+-*/%^")  # all bind closer than `..`
_CLOSES = {"(": ")", "[": "]", "{": "}"}


def tokens(lua: str) -> list[tuple[str, str]]:
    found = [(match.lastgroup or "", match.group()) for match in _TOKEN.finditer(lua)]
    return [(kind, text) for kind, text in found if kind != "comment"]


def operand_after(found: list[tuple[str, str]], start: int) -> str:
    """Give a name with its indexes and calls as they stand, arguments left out."""
    kind, text = found[start]
    place = start + 1
    while kind == "name" and place < len(found) and found[place][1] in ("(", "["):
        end = matching(found, place, +1)
        text += "()" if found[place][1] == "(" else "[" + "".join(t for _, t in found[place + 1 : end]) + "]"
        place = end + 1
    return text + (found[place][1] if place < len(found) and found[place][1] in _ARITHMETIC else "")


def operand_before(found: list[tuple[str, str]], end: int) -> str:
    start = end
    while found[start][1] in (")", "]"):
        start = matching(found, start, -1) - 1
        if found[start][0] != "name":
            return "".join(text for _, text in found[start + 1 : end + 1])
    sign = found[start - 1][1] if start and found[start - 1][1] in _ARITHMETIC else ""
    return sign + operand_after(found, start)


def matching(found: list[tuple[str, str]], place: int, step: int) -> int:
    opens, depth = set(_CLOSES) if step > 0 else set(_CLOSES.values()), 0
    closes = set(_CLOSES.values()) if step > 0 else set(_CLOSES)
    while True:
        depth += (found[place][1] in opens) - (found[place][1] in closes)
        if not depth:
            return place
        place += step


def is_text(operand: str) -> bool:
    return operand[0] in "'\"" or operand in TEXTS or (operand.endswith("()") and operand[:-2] in WRITERS)


def faults(lua: str) -> list[str]:
    found = tokens(lua)
    joins = [place for place, (kind, _) in enumerate(found) if kind == "join"]
    operands = [side for at in joins for side in (operand_before(found, at - 1), operand_after(found, at + 1))]
    words = [text for kind, text in found if kind == "name" and text in FORBIDDEN]
    return words + [operand for operand in operands if not is_text(operand)]


SCRIPTS = {
    each.name: each.read_text()
    for each in (files("gateway.ledger") / "scripts").iterdir()
    if each.name.endswith(".lua")
}


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_no_script_writes_a_number_but_through_int(name: str) -> None:
    assert faults(SCRIPTS[name]) == []


@pytest.mark.parametrize(
    ("lua", "operand"),
    [
        ("local key = prefix .. ':c:' .. at", "at"),
        ("return '(' .. at + 1", "at+"),
        ("return amount .. ' units'", "amount"),
        ("return prefix .. (a + b)", "("),
        ("local x = (a + b) .. prefix", "(a+b)"),
        ("return prefix .. id + 1", "id+"),
        ("return 1 + id .. prefix", "+id"),
        ("return prefix .. 5", "5"),
        ("return rate[1] .. rate[3]", "rate[3]"),
        ("return prefix .. tonumber(id)", "tonumber()"),
        ("return prefix .. numbers[scope][1]", "numbers[scope][1]"),
        ("return math.max(a, b) .. prefix", "math.max()"),
        ("return { tostring(at) }", "tostring"),
        ("return cjson.encode(r)", "cjson.encode"),
    ],
)
def test_the_check_finds_a_number_that_would_be_written(lua: str, operand: str) -> None:
    assert operand in faults(lua)


def test_the_check_lets_text_pass() -> None:
    assert faults("return prefix .. ':r:' .. id .. int(at + f(1)) .. table.concat({ a }, ' ') -- 1 .. 2") == []


async def test_lua_really_loses_digits_where_the_check_says_so(redis: Redis) -> None:
    assert await redis.eval("return '' .. 100000000000001", 0) == b"1e+14"
    assert await redis.eval("return string.format('%.0f', 100000000000001)", 0) == b"100000000000001"
