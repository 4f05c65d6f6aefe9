"""The table of what users of other gateways suffer names tests that exist, and leaves none of its folder out."""

import ast
from functools import cache

import pytest
from pains.planted import BUGS, Bug, replaced
from pains.table import ROOT, read_table

TABLE = read_table()


@cache
def names_in(file: str) -> frozenset[str]:
    nodes = ast.walk(ast.parse((ROOT / file).read_text("utf-8")))
    functions = (node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(name for name in functions if name.startswith("test_"))


def test_each_of_the_fifteen_pains_has_a_test_that_exists() -> None:
    assert sorted(TABLE) == list(range(1, 16))
    for tests in TABLE.values():
        assert tests
        for file, _, name in (test.partition("::") for test in tests):
            assert name in names_in(file), f"{file} has no {name}"


def test_every_test_of_the_folder_is_in_the_table() -> None:
    named = {test for tests in TABLE.values() for test in tests}
    files = [f"tests/pains/{file.name}" for file in (ROOT / "tests" / "pains").glob("test_*.py")]
    assert {f"{file}::{name}" for file in files for name in names_in(file)} <= named


def test_every_pain_has_a_planted_bug_for_one_of_its_tests() -> None:
    assert {bug.pain for bug in BUGS} == set(TABLE)
    assert [bug.name for bug in BUGS if bug.test not in TABLE[bug.pain]] == []


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_still_has_its_place_in_the_code(bug: Bug) -> None:
    assert bug.edits
    for edit in bug.edits:
        replaced((ROOT / edit.file).read_text("utf-8"), edit)
