"""`gateway usage`: where the money went."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""


def run(flags: argparse.Namespace) -> int:
    """Print."""
    return 0
