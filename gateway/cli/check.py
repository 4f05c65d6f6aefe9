"""`gateway check`: validates the policy files."""

import argparse
import os
import sys
import time
from pathlib import Path

from gateway import settings
from gateway.policy import Policy, PolicyInvalid, load_policy, review_policy

CONFIRM = "then remove `price_confirmed = false`"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    settings.add_arguments(parser, frozenset(("policies",)))


def run(flags: argparse.Namespace) -> int:
    """Exit 0, or 1 with one line per problem; what is valid and yet surely not meant is a warning."""
    folder = settings.read_settings(flags, os.environ).policies
    try:
        policy, warnings = review_policy(folder, time.time_ns() // 1000)
    except PolicyInvalid as invalid:
        explain(invalid)
        return 1
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for model in policy.models.values():
        if not model.price_confirmed:
            print(f"note: {model.slug} is refused: compare its price with {model.source or 'its source'}, {CONFIRM}")
    print(
        f"{folder}: {len(policy.accounts)} accounts, {len(policy.tenants)} tenants, "
        f"{len(policy.keyring)} keys, {len(policy.models)} models; version {policy.version[:12]}"
    )
    return 0


def load_or_explain(folder: Path) -> Policy | None:
    """Load the policy, or write one line per problem to standard error."""
    try:
        return load_policy(folder)
    except PolicyInvalid as invalid:
        explain(invalid)
        return None


def explain(invalid: PolicyInvalid) -> None:
    """Write one line per problem to standard error."""
    for problem in invalid.problems:
        print(problem, file=sys.stderr)
