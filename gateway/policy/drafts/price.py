"""Prices of a model page: the rows of its table, made into a rule of the price book where they can mean only one."""

import re
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from gateway.domain.money import MoneyError
from gateway.policy.drafts.publication import PriceRow
from gateway.policy.drafts.sentence import USD, DraftedPrice, draft_sentence, per_unit, written

_MOST_COLUMNS = 3
_COMPARISON = re.compile(r'(\w+) (==|eq|eq_i) "([^"]*)"')
_PER_UNIT = re.compile(r"(\w+) \(per unit\)")
_AMOUNT = re.compile(USD)


class _Comparison(NamedTuple):
    parameter: str
    ignore_case: bool
    text: str


def draft_price(rows: Sequence[PriceRow], parameters: Collection[str]) -> DraftedPrice | None:
    """Give the price that rows state for a model with these parameters; the first row that applies decides.

    None where one of them may mean something else, or needs a parameter that the model has not.
    """
    try:
        return _table(rows) or _in_order(rows, parameters)
    except MoneyError:
        return None


def _table(rows: Sequence[PriceRow]) -> DraftedPrice | None:
    """Give a table, where all rows compare the same parameters and say an amount."""
    lines, shapes = [], set()
    for row in rows:
        compared, amount = _comparisons(row.condition), _AMOUNT.fullmatch(row.price)
        if not compared or amount is None:
            return None
        shapes.add(tuple((each.parameter, each.ignore_case) for each in compared))
        lines.append([*(each.text for each in compared), written(amount[1])])
    if len(shapes) != 1:
        return None
    columns = shapes.pop()
    if len(columns) > _MOST_COLUMNS or len({ignore_case for _, ignore_case in columns}) > 1:
        return None
    rule = {"kind": "table", "on": [name for name, _ in columns], **_case(columns[0][1]), "rows": lines}
    return DraftedPrice(rule, {})


def _in_order(rows: Sequence[PriceRow], parameters: Collection[str]) -> DraftedPrice | None:
    """Give a case for each row with a condition, until one without; that one alone where it is the first."""
    cases: list[dict[str, Any]] = []
    quantities: dict[str, dict[str, str]] = {}
    for row in rows:
        compared, priced = _comparisons(row.condition), _priced(row, parameters)
        if compared is None or priced is None or len(compared) > 1:
            return None
        quantities |= priced.quantities
        if not compared:
            conditional = {"kind": "conditional", "case": cases, "otherwise": priced.rule}
            return DraftedPrice(conditional if cases else priced.rule, quantities)
        (only,) = compared
        equal = {"parameter": only.parameter, "equals": only.text, **_case(only.ignore_case)}
        cases.append({**equal, "price": priced.rule})
    return DraftedPrice({"kind": "conditional", "case": cases}, quantities) if cases else None


def _priced(row: PriceRow, parameters: Collection[str]) -> DraftedPrice | None:
    """Give the price of one row, whatever it is the condition of."""
    each, amount = _PER_UNIT.fullmatch(row.condition), _AMOUNT.fullmatch(row.price)
    if each and amount:
        return per_unit(each[1], amount[1]) if each[1] in parameters else None
    return draft_sentence(row.price, parameters)


def _comparisons(condition: str) -> tuple[_Comparison, ...] | None:
    """Read what a condition compares: nothing where there is none; None for one that cannot be read."""
    if not condition or _PER_UNIT.fullmatch(condition):
        return ()
    found = [_COMPARISON.fullmatch(part.strip()) for part in condition.split(" AND ")]
    read = tuple(_Comparison(each[1], each[2] == "eq_i", each[3]) for each in found if each)
    return read if len(read) == len(found) else None


def _case(ignore_case: bool) -> dict[str, bool]:
    return {"ignore_case": True} if ignore_case else {}
