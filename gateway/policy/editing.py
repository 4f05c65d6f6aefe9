"""Editing a policy file as its author would: a line is added or a value replaced, and every comment stays."""

from dataclasses import dataclass, field

from tree_sitter import Node

from gateway.policy.positions import Path, Positions


class CannotEdit(Exception):
    """Says why a file is not changed by a command, and what to do instead."""


@dataclass
class Text:
    """The text of one policy file while it is edited, one change after the other."""

    text: str
    _positions: Positions | None = field(default=None, init=False)

    def has(self, path: Path) -> bool:
        """Tell whether there is something at a path."""
        return path in self._marks().marks

    def set_field(self, table: Path, name: str, value: str, after: str) -> None:
        """Give a field of a table a value, as TOML; a new field goes below (or behind) the field `after`."""
        marks = self._marks().marks
        if (*table, name) in marks:
            node = marks[*table, name].value
            self._splice(node.start_byte, node.end_byte, value)
        elif marks[table].value.type == "inline_table":
            end = marks[*table, after].value.end_byte
            self._splice(end, end, f", {name} = {value}")
        else:
            end = self._end_of_line(marks[*table, after].value)
            self._splice(end, end, f"{self._newline()}{name} = {value}")

    def append(self, path: Path, block: str) -> None:
        """Add tables below all that belongs to the table at a path, behind an empty line."""
        end = self._end_of_line(self._last(path))
        lines = ["", "", *block.rstrip().splitlines()]
        self._splice(end, end, self._newline().join(lines))

    def tables_below(self, path: Path) -> str:
        """Give the text of the tables that belong to the table at a path: what follows its own fields."""
        below = [mark.name for at, mark in self._marks().marks.items() if at[: len(path)] == path and at != path]
        starts = [node.start_byte for node in below if node.type in ("table", "table_array_element")]
        if not starts:
            return ""
        return self._raw()[min(starts) : self._end_of_line(self._last(path))].decode()

    def _marks(self) -> Positions:
        if self._positions is None:
            self._positions = Positions(self.text)
        return self._positions

    def _last(self, path: Path) -> Node:
        """Find the last value that belongs to the table at a path."""
        marks = self._marks().marks
        if marks[path].value.type != "table_array_element":
            raise CannotEdit("it is written in one line, as an inline table; change the file by hand")
        inside = [mark.value for at, mark in marks.items() if at[: len(path)] == path]
        values = [node for node in inside if node.type not in ("table", "table_array_element")]
        return max(values, key=lambda node: node.end_byte)

    def _end_of_line(self, node: Node) -> int:
        raw = self._raw()
        end = raw.find(b"\n", node.end_byte)
        return len(raw) if end < 0 else end - raw[:end].endswith(b"\r")

    def _splice(self, start: int, end: int, new: str) -> None:
        raw = self._raw()
        self.text = (raw[:start] + new.encode() + raw[end:]).decode()
        self._positions = None

    def _newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    def _raw(self) -> bytes:
        return self.text.encode()
