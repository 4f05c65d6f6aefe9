"""Digests of inputs: a name for what was asked for that tells nothing of it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def digest_input(input: Mapping[str, Any]) -> str:
    """Name an input by 16 hex digits, the same for the same JSON values in whatever order and spacing."""
    canonical = json.dumps(input, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
