"""A price that stands in a table, looked up by the values of up to three parameters."""

from collections.abc import Mapping
from functools import cached_property

from gateway.pricing.bill import Bill, Line
from gateway.pricing.inputs import Inputs
from gateway.pricing.refusal import no_price, shown
from gateway.pricing.rule import Rule, amount

_MOST_COLUMNS = 3
Key = tuple[str | None, ...]


class Table(Rule, frozen=True, tag="table"):
    """A price for each row of `rows`: one text for each parameter of `on`, then the amount.

    Values are compared as upstream does, as texts: 6 and "6" are one, "4k" and "4K" are two unless `ignore_case`.
    """

    on: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    ignore_case: bool = False

    def __post_init__(self) -> None:
        if not 1 <= len(self.on) <= _MOST_COLUMNS:
            raise ValueError(f"on names 1 to {_MOST_COLUMNS} parameters, not {len(self.on)}")
        if not self.rows:
            raise ValueError("rows must not be empty")
        if len(self._bills) < len(self.rows):
            raise ValueError("rows must differ in what they are looked up by")

    @cached_property
    def _bills(self) -> Mapping[Key, Bill]:
        return {self._folded(row[:-1]): self._row_bill(row) for row in self.rows}

    def _row_bill(self, row: tuple[str, ...]) -> Bill:
        if len(row) != len(self.on) + 1:
            raise ValueError(f"the row {list(row)} must have {len(self.on)} values and an amount")
        what = ", ".join(f"{name} {value}" for name, value in zip(self.on, row, strict=False))
        return Bill((Line.of(what, amount(f"the row {list(row)}", row[-1])),))

    def _folded(self, values: Key) -> Key:
        return tuple(value and value.casefold() for value in values) if self.ignore_case else tuple(values)

    @property
    def compares(self) -> tuple[tuple[str, str, bool], ...]:
        """Each value of each row."""
        return tuple((name, row[i], self.ignore_case) for row in self.rows for i, name in enumerate(self.on))

    def bill(self, inputs: Inputs) -> Bill:
        """Charge the row's amount; raises Refused (`model_unpriced`) where there is no such row."""
        found = self._bills.get(self._folded(tuple(inputs.text(name) for name in self.on)))
        if found is None:
            raise no_price(self.on[0], f"{self._asked(inputs)}; there is one for {self._known}")
        return found

    def _asked(self, inputs: Inputs) -> str:
        return ", ".join(f"{name} {shown(inputs.value(name))}" for name in self.on)

    @cached_property
    def _known(self) -> str:
        columns = {name: dict.fromkeys(row[i] for row in self.rows) for i, name in enumerate(self.on)}
        return "some of " + "; ".join(f"{name} {', '.join(values)}" for name, values in columns.items())
