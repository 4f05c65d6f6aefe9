"""Digests of inputs: a name for what was asked for that tells nothing of it."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec


def digest_input(input: Mapping[str, Any]) -> str:
    """Name an input by 16 hex digits, the same for the same JSON values in whatever order and spacing."""
    return hashlib.sha256(msgspec.json.encode(input, order="sorted")).hexdigest()[:16]
