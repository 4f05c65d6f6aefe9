"""What `gateway reconcile` prints: for people, and as JSON and CSV."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from gateway.cli.tables import write_table
from gateway.domain.instants import instant
from gateway.domain.money import format_usd
from gateway.settlement.comparison import Period, Result, Row

COLUMNS = (
    "account",
    "result",
    "prediction",
    "reservation",
    "tenant",
    "key",
    "model",
    "at",
    "charged_usd",
    "billed_usd",
    "note",
)
_TEXT_COLUMNS = ("result", "prediction", "at", "tenant", "key", "model", "note", "charged_usd", "billed_usd")


class Found(NamedTuple):
    """The outcome: the period, and a row for each prediction of any account."""

    period: Period
    accounts: Sequence[str]
    rows: Sequence[Row]


def as_json(found: Found, shown: Sequence[Row]) -> dict[str, object]:
    """Give the outcome, with the predictions that are shown."""
    return {
        "from": instant(found.period.from_us),
        "until": instant(found.period.until_us),
        "accounts": [_summary(account, found.rows) for account in found.accounts],
        "predictions": [row_of(row) for row in shown],
    }


def _summary(account: str, rows: Sequence[Row]) -> dict[str, str | int]:
    own = [row for row in rows if row.account == account]
    counts = Counter(row.result for row in own)
    return {
        "account": account,
        **{result.value: counts[result] for result in Result},
        "charged_usd": format_usd(sum(row.charged or 0 for row in own)),
        "billed_usd": format_usd(sum(row.billed or 0 for row in own)),
    }


def row_of(row: Row) -> dict[str, str | None]:
    """Give one prediction, money as decimal strings of US dollars."""
    return {
        "account": row.account,
        "result": row.result.value,
        "prediction": row.prediction,
        "reservation": row.reservation,
        "tenant": row.tenant,
        "key": row.key,
        "model": row.model,
        "at": instant(row.at_us),
        "charged_usd": None if row.charged is None else format_usd(row.charged),
        "billed_usd": None if row.billed is None else format_usd(row.billed),
        "note": row.note,
    }


def write_text(found: Found, shown: Sequence[Row]) -> None:
    """Write a summary of every account, and a line for each prediction that is shown."""
    print(f"from {instant(found.period.from_us)} until {instant(found.period.until_us)}\n")
    summaries = [_summary(account, found.rows) for account in found.accounts]
    write_table(list(summaries[0]), [list(summary.values()) for summary in summaries], left=1)
    if shown:
        print()
        rows = [row | {"prediction": row["prediction"] or row["reservation"]} for row in map(row_of, shown)]
        write_table(_TEXT_COLUMNS, [[row[name] or "" for name in _TEXT_COLUMNS] for row in rows], left=7)
