"""What the README guarantees is shown by tests that exist."""

import ast
from pathlib import Path

import pytest
from test_readme_tables import rows, words

TESTS = Path(__file__).parents[1]
SHOWN = [(row[0], name) for row in rows("What is guaranteed, and under which faults") for name in words(row[2])]


@pytest.mark.parametrize(("guarantee", "name"), SHOWN, ids=[name.split("::")[-1] for _, name in SHOWN])
def test_a_guarantee_is_shown_by_a_test_that_exists(guarantee: str, name: str) -> None:
    file, _, function = name.partition("::")
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert function in defined, f"{guarantee!r} names {name}, which is not there"
    assert function.startswith("test_")


def test_every_guarantee_names_a_fault_and_a_test() -> None:
    for row in rows("What is guaranteed, and under which faults"):
        assert len(row) == 3 and all(row) and words(row[2]), row
