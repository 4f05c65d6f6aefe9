"""`gateway quote`: what a request would cost, by the code that would hold it."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from gateway import settings
from gateway.admission.reading import read_json
from gateway.cli.check import load_or_explain
from gateway.domain.errors import Refused
from gateway.pricing import Quote, quote, validate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument("model", metavar="MODEL", help="slug of the model")
    parser.add_argument("--input", required=True, metavar="JSON", help="the input object, @file, or - for stdin")
    settings.add_arguments(parser, frozenset(("policies",)))
    parser.add_argument("--json", action="store_true", help="print the quote as POST /gateway/quote answers it")


def run(flags: argparse.Namespace) -> int:
    """Print the quote; exit 1 and say why where there is none."""
    folder = settings.read_settings(flags, os.environ).policies
    policy = load_or_explain(folder)
    if policy is None:
        return 1
    model = policy.models.get(flags.model)
    if model is None:
        return _fail(f"{flags.model!r} is no model of {folder}; known: {', '.join(sorted(policy.models))}")
    try:
        given = _read(flags.input)
        validate(model, given)
        quoted = quote(model, given)
    except (Refused, ValueError, OSError) as error:
        return _fail(str(error))
    print(json.dumps(quoted.as_json(), indent=2) if flags.json else _text(quoted))
    return 0


def _read(text: str) -> dict[str, Any]:
    """Take the input from the argument, a file or standard input, and read it as that of a create is read.

    Raises Refused for what is no such JSON, ValueError for what is no object.
    """
    if text == "-":
        text = sys.stdin.read()
    elif text.startswith("@"):
        text = Path(text[1:]).read_text(encoding="utf-8")
    value = read_json(text.encode())
    if not isinstance(value, dict):
        raise ValueError('the input must be a JSON object, such as {"prompt": "…"}')
    return value


def _text(quoted: Quote) -> str:
    shown = quoted.as_json()
    lines = [f"{quoted.model}  estimate {shown['estimate_usd']} USD, hold {shown['hold_usd']} USD"]
    lines += [
        f"  {line['quantity']} × {line['what']} at {line['unit_usd']} = {line['usd']}" for line in shown["lines"]
    ]
    lines += [f"  note: {text}" for text in quoted.assumptions]
    return "\n".join(lines)


def _fail(message: str) -> int:
    print(message, file=sys.stderr)
    return 1
