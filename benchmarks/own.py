"""With what every benchmark of this repository's own gateway starts it: policy folder, command, environment."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.programs import ROOT

BOOK = ROOT / "policies" / "models"
ENVIRON = {"EACHLABS_API_KEY": "bench", "GATEWAY_SECRET": "s" * 64}
#: An account whose upstream key is never what a create waits for.
ACCOUNT = """
[[account]]
id = "bench"
[[account.key]]
id = "main"
secret_env = "EACHLABS_API_KEY"
creates_per_minute = 1_000_000
concurrent = 10_000_000
"""


def write_policies(folder: Path, tables: Iterable[str], models: Iterable[str]) -> Path:
    """Write a new policy folder: these tables, and models of the shipped book."""
    folder.mkdir()
    (folder / "policy.toml").write_text("\n".join(tables), "utf-8")
    for model in models:
        (folder / f"{model}.toml").write_text((BOOK / f"{model}.toml").read_text("utf-8"), "utf-8")
    return folder


def tenant(name: str, *limits: str) -> str:
    """Write a tenant with its limits, each the lines of one; its key follows it."""
    return "\n".join([f'[[tenant]]\nid = "{name}"', *(f"[[tenant.limit]]\n{limit}" for limit in limits), ""])


def budget(window: str, usd: object) -> str:
    """Write the lines of a limit on money."""
    return f'kind = "budget"\nwindow = "{window}"\nusd = "{usd}"'


def command(words: Sequence[str], flags: Mapping[str, object]) -> list[str]:
    """Give a command of the gateway with its flags, as an operator would type it."""
    given = [word for flag, value in flags.items() for word in (f"--{flag}", str(value))]
    return [sys.executable, "-m", "gateway", *words, *given]
