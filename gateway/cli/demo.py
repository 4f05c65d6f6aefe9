"""The demo key: made on this machine at the first run, kept in the data directory, known to no repository."""

import os
from pathlib import Path

from gateway.cli.worker import DemoKey
from gateway.policy.keys import digest, new_secret

TENANT = "demo"
KEY = "local"
FILE = "demo.key"


def demo_secret(data_dir: Path) -> str:
    """Read the demo key's secret, or make it; readable by this user alone."""
    path = data_dir / FILE
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        secret = new_secret()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secret + "\n")
        return secret


def demo_key(secret: str) -> DemoKey:
    """Give the key as workers are told of it: its digest only."""
    return DemoKey(TENANT, KEY, digest(secret).hex())


def demo_text(url: str, secret: str, *, sandbox: bool) -> str:
    """Say what can be tried now, with a create ready to paste."""
    upstream = (
        "The upstream is the SANDBOX, a simulated Eachlabs API on this machine: nothing is generated or billed.\n"
        "Set EACHLABS_API_KEY to use the real one."
        if sandbox
        else "The upstream is the REAL Eachlabs API: predictions are billed to EACHLABS_API_KEY."
    )
    return f"""
{upstream}

A key of tenant {TENANT!r}, made on this machine:

  export GATEWAY_KEY={secret}

A create to paste, and what it cost:

  curl -i -X POST {url}/v1/prediction/ \\
    -H "X-API-Key: {secret}" \\
    -H "Content-Type: application/json" \\
    -d '{{"model": "flux-2-klein-4b-base-edit", "input": {{"prompt": "Turn this into a realistic image", \
"image_urls": ["https://storage.googleapis.com/magicpoint/inputs/flux-2-klein-4b-distilled-edit-input.jpg"]}}}}'

  curl -i {url}/v1/prediction/PREDICTION_ID -H "X-API-Key: {secret}"
  curl {url}/gateway/usage -H "X-API-Key: {secret}"
"""
