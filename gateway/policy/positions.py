"""Positions: where in a TOML file everything stands, which tomllib does not tell.

tomllib reads the policies; only when something is to be said about a file, or a key in it is to be changed, is it
parsed again, by tree-sitter, for the places of its tables, names and values.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

#: The way to a value: names of tables and fields, and positions in lists, from 0.
Path = tuple[str | int, ...]


class Position(NamedTuple):
    """A line and a column, counted in characters, both from 1 as editors do."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Mark:
    """Where something stands: its name (a table's header is its name) and its value."""

    name: Node
    value: Node


class Positions:
    """The marks of one file that tomllib has read."""

    def __init__(self, text: str) -> None:
        raw = text.encode()
        self._lines = raw.split(b"\n")
        self._lengths: dict[Path, int] = {}
        root = Parser(Language(tree_sitter_toml.language())).parse(raw).root_node
        self.marks: dict[Path, Mark] = {(): Mark(root, root)}
        for node in root.named_children:
            if node.type == "pair":
                self._pair((), node)
            elif node.type in ("table", "table_array_element"):
                self._table(node)

    def of_value(self, path: Path) -> Position:
        """Find a value, or the nearest thing around it that is there: for a missing field, its table."""
        while path not in self.marks:
            path = path[:-1]
        return self._position(self.marks[path].value)

    def of_name(self, path: Path) -> Position:
        """Find the name of a field, or the nearest thing around it that is there."""
        return self._position(self.marks[path].name) if path in self.marks else self.of_value(path)

    def _position(self, node: Node) -> Position:
        row, column = node.start_point
        line = self._lines[row] if row < len(self._lines) else b""
        return Position(row + 1, len(line[:column].decode()) + 1)

    def _table(self, node: Node) -> None:
        """Mark a `[table]`, or an item of `[[tables]]`, and all that is in it."""
        keys, *pairs = [child for child in node.named_children if child.type != "comment"]
        path: Path = ()
        *above, last = _names(keys)
        for name in above:
            path = (*path, name)
            if path in self._lengths:
                path = (*path, self._lengths[path] - 1)  # the latest item
        path = (*path, last)
        if node.type == "table_array_element":
            position = self._lengths.get(path, 0)
            self._lengths[path] = position + 1
            self.marks.setdefault(path, Mark(node, node))
            path = (*path, position)
        self.marks[path] = Mark(node, node)
        for pair in pairs:
            self._pair(path, pair)

    def _pair(self, table: Path, node: Node) -> None:
        """Mark `name = value`; the name may be dotted."""
        keys, value = [child for child in node.named_children if child.type != "comment"][:2]
        path = table
        for name in _names(keys):
            path = (*path, name)
            self.marks.setdefault(path, Mark(node, value))
        self._value(path, value)

    def _value(self, path: Path, node: Node) -> None:
        """Mark what is in an array or an inline table."""
        inside = [child for child in node.named_children if child.type != "comment"]
        if node.type == "inline_table":
            for pair in inside:
                self._pair(path, pair)
        elif node.type == "array":
            for position, item in enumerate(inside):
                self.marks[*path, position] = Mark(item, item)
                self._value((*path, position), item)


def _names(node: Node) -> Iterator[str]:
    """Read a bare, quoted or dotted key into its names."""
    if node.type == "dotted_key":
        for child in node.named_children:
            yield from _names(child)
    else:
        text = (node.text or b"").decode()
        yield text if node.type == "bare_key" else next(iter(tomllib.loads(f"{text} = 0")))
