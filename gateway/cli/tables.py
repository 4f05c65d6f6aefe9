"""Tables: rows of named values, for people in columns as wide as their contents, for programs as CSV."""

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence


def write_csv(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write comma separated values with a head line to standard output; None is empty."""
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def write_table(columns: Sequence[str], rows: Iterable[Sequence[object]], left: int) -> None:
    """Write rows below their columns' names to standard output, the first `left` columns aligned to the left."""
    table = [list(columns), *([str(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = [
            text.ljust(width) if place < left else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
