"""`gateway policy diff`: what a new policy changes, for whom, and what it does to those who have used some of it."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gateway.cli.check import explain
from gateway.cli.stores import add_store_arguments, open_store
from gateway.domain.limit import LimitKind
from gateway.domain.money import format_usd
from gateway.ledger.embedded import StoreFailed, has_ledger
from gateway.ledger.gauges import LimitUse
from gateway.ledger.present import read_present
from gateway.ledger.scripts import load_scripts
from gateway.ledger.store import LedgerUnavailable
from gateway.ledger.views import Views
from gateway.policy import Policy, PolicyInvalid
from gateway.policy.differences import Change, differences
from gateway.policy.effects import effect_words
from gateway.policy.loading import load_policy, load_sources
from gateway.policy.problems import Findings
from gateway.policy.revisions import RevisionUnreadable, read_revision
from gateway.settings import SettingInvalid, Settings, read_settings

#: As `terraform plan -detailed-exitcode` has it: whatever fails unforeseen exits with 1, and is no difference.
SAME, TROUBLE, DIFFERENT = 0, 1, 2
_MOST_NAMES = 5


class Told(NamedTuple):
    """A change, the present use of the limit that it changes, and what it does at once, as far as that is known."""

    change: Change
    use: LimitUse | None = None
    effect: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    for name in ("old", "new"):
        parser.add_argument(
            name,
            metavar=name.upper(),
            help="a folder, a git revision of the policies folder (HEAD~1), or of another one (HEAD~1:policies)",
        )
    parser.add_argument("--json", action="store_true", help="a list of objects")
    add_store_arguments(parser)


def diff(flags: argparse.Namespace) -> int:
    """Exit 0 where nothing changes, 2 where something does, 1 where that cannot be told."""
    try:
        settings = read_settings(flags, os.environ)
        old, new = (read_policy(text, settings.policies) for text in (flags.old, flags.new))
        changes = differences(old, new)
        told = asyncio.run(_with_effects(changes, new, flags, settings))
    except PolicyInvalid as invalid:
        explain(invalid)
        return TROUBLE
    except (SettingInvalid, RevisionUnreadable, StoreFailed, LedgerUnavailable) as error:
        print(f"gateway policy diff: {error}", file=sys.stderr)
        return TROUBLE
    if flags.json:
        print(json.dumps([_row(each) for each in told], indent=2, ensure_ascii=False))
    else:
        print(_text(told) if told else "no change")
    return DIFFERENT if told else SAME


def read_policy(text: str, folder: Path) -> Policy:
    """Load a folder, or what was in `folder` at a git revision. Raises PolicyInvalid or RevisionUnreadable."""
    if Path(text).is_dir():
        return load_policy(Path(text))
    findings = Findings()
    return load_sources(read_revision(text, folder, findings), text, findings)


async def _with_effects(
    changes: Sequence[Change], new: Policy, flags: argparse.Namespace, settings: Settings
) -> list[Told]:
    """Compare changed limits with their present use, where there is a ledger to ask."""
    if not (settings.redis_url or has_ledger(settings.data_dir)):
        return [Told(change) for change in changes]
    async with open_store(flags) as (_, store):
        told: dict[Change, Told] = {}
        for account in new.accounts:
            mine = set(new.limits(account))
            asked = [change for change in changes if change.new_limit in mine]
            limits = [change.new_limit for change in asked if change.new_limit is not None]
            uses = await read_present(store, load_scripts(), account, limits)
            now_us = await Views(store, account).now_us()
            told |= {change: _told(change, use, now_us) for change, use in zip(asked, uses, strict=True)}
    return [told.get(change, Told(change)) for change in changes]


def _told(change: Change, use: LimitUse, now_us: int) -> Told:
    old = change.old_limit.at(now_us) if change.old_limit else None
    return Told(change, use, effect_words(old, use.limit, use.used + use.held))


def _text(told: Sequence[Told]) -> str:
    """Write a line a change, what is of one kind together."""
    return "\n".join(
        f"{each.change.what} {each.change.name}: {each.change.text}{_also(each.change)}"
        + (f"; {each.effect}" if each.effect else "")
        for each in told
    )


def _also(change: Change) -> str:
    """Name whom a limit binds beside its owner, if they are few enough for a line."""
    if len(change.also) > _MOST_NAMES:
        return f" (binds {len(change.also)} tenants)"
    return f" (binds {', '.join(change.also)} too)" if change.also else ""


def _row(told: Told) -> dict[str, object]:
    change, use = told.change, told.use
    shown = {name: None if use is None else _amount(use, getattr(use, name)) for name in ("used", "held")}
    return {
        "what": change.what,
        "name": change.name,
        "change": change.text,
        "also": change.also,
        "effect": told.effect,
        **shown,
    }


def _amount(use: LimitUse, amount: int) -> str | int:
    return format_usd(amount) if use.limit.kind is LimitKind.BUDGET else amount
