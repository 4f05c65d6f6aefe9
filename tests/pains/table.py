"""The table of pains, as the README of this folder has it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_ROW = re.compile(r"^\| (\d+) \|(.*)$", re.MULTILINE)
_TEST = re.compile(r"`(tests/\S+::test_\w+)`")


def read_table() -> dict[int, list[str]]:
    """Give the ids of the tests by the number of their pain."""
    text = Path(__file__).with_name("README.md").read_text("utf-8")
    return {int(number): _TEST.findall(row) for number, row in _ROW.findall(text)}
