"""`gateway prices drift`: what upstream billed beside what the prices said, and which field would explain it."""

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from gateway.cli.check import load_or_explain
from gateway.cli.stores import add_store_arguments, open_store
from gateway.cli.tables import write_table
from gateway.domain.money import format_usd
from gateway.ledger.billing import Price, read_billed
from gateway.ledger.embedded import StoreFailed
from gateway.ledger.journal import read_journal
from gateway.ledger.store import LedgerUnavailable
from gateway.pricing import Model
from gateway.pricing.explaining import Billed, Explained, explain
from gateway.settings import SettingInvalid

COLUMNS = ("model", "price_version", "predictions", "estimated_usd", "billed_usd", "ratio", "explained_by")


class Drift(NamedTuple):
    """One price: how many successes it was asked for, in units of 1e-8 USD what it said and what was billed."""

    price: Price
    predictions: int
    estimated: int
    billed: int
    explained: Explained | None

    @property
    def ratio(self) -> str:
        """Billed over estimated, to four decimals."""
        return format(Decimal(self.billed) / Decimal(self.estimated), ".4f") if self.estimated else ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    text = "compare what upstream billed with what the prices said"
    drift = actions.add_parser("drift", help=text, description=text)
    add_store_arguments(drift)
    drift.add_argument("--since", type=date.fromisoformat, metavar="DAY", help="first day (UTC), such as 2026-11-01")
    drift.add_argument("--until", type=date.fromisoformat, metavar="DAY", help="last day")
    drift.add_argument("--json", action="store_true", help="a list of objects, with every explanation")


def run(flags: argparse.Namespace) -> int:
    """Print the drift of every price; exit 1 and say why where the ledger cannot be read."""
    try:
        drifts = asyncio.run(_collect(flags))
    except (SettingInvalid, StoreFailed, LedgerUnavailable, ValueError) as error:
        print(f"gateway prices drift: {error}", file=sys.stderr)
        return 1
    if drifts is None:
        return 1
    if flags.json:
        print(json.dumps([_as_json(drift) for drift in drifts], indent=2))
    else:
        write_table(COLUMNS, [list(_row(drift).values()) for drift in drifts], left=2)
    return 0


async def _collect(flags: argparse.Namespace) -> list[Drift] | None:
    async with open_store(flags) as (settings, store):
        policy = load_or_explain(settings.policies)
        if policy is None:
            return None
        found: dict[Price, Counter[Billed]] = {}
        for account in policy.accounts:
            for price, billed in (await read_billed(read_journal(store, account), flags.since, flags.until)).items():
                found.setdefault(price, Counter()).update(billed)
        return [_drift(price, billed, policy.models) for price, billed in sorted(found.items())]


def _drift(price: Price, billed: Counter[Billed], models: Mapping[str, Model]) -> Drift:
    """Sum up a price, and explain it where it is the one that the policy has now."""
    model = models.get(price.model)
    current = model is not None and model.price_version == price.version
    return Drift(
        price,
        billed.total(),
        sum(each.estimate * count for each, count in billed.items()),
        sum(each.cost * count for each, count in billed.items()),
        explain(model, billed) if model is not None and current else None,
    )


def _row(drift: Drift) -> dict[str, str | int]:
    return {
        "model": drift.price.model,
        "price_version": drift.price.version,
        "predictions": drift.predictions,
        "estimated_usd": format_usd(drift.estimated),
        "billed_usd": format_usd(drift.billed),
        "ratio": drift.ratio,
        "explained_by": _words(drift.explained),
    }


def _words(explained: Explained | None) -> str:
    if explained is None:
        return "not the price that the policy has now"
    if not explained.repriced:
        return "every request left its price open"
    if explained.right == explained.repriced:
        return ""
    of = f"of {explained.repriced}"
    if not explained.explanations:
        return f"no single field; {explained.right} {of} cost what the price says"
    fields = " or ".join(f"{each.field} {each.now} → {each.then}" for each in explained.explanations)
    return f"{fields} ({explained.explanations[0].explained} {of})"


def _as_json(drift: Drift) -> dict[str, object]:
    explained = drift.explained
    return _row(drift) | {
        "repriced": explained.repriced if explained else 0,
        "right": explained.right if explained else 0,
        "explanations": [each._asdict() for each in explained.explanations] if explained else [],
    }
