"""Policy folders as an operator writes them: TOML, with the model that the repository ships."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.policy.keys import digest, new_secret

KLEIN = "flux-2-klein-4b-base-edit"
REMOVER = "eachlabs-bg-remover-v1"
BOOK = Path(__file__).parents[2] / "policies" / "models"


class Policies:
    """Collects the tables of a folder; upstream's limits are wide where a test does not narrow them."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self.secrets: dict[str, str] = {}
        self.model = (BOOK / f"{KLEIN}.toml").read_text("utf-8")

    def account(self, id: str = "main", *, concurrent: int = 1000, per_minute: int = 10_000, **fields: Any) -> None:
        """Add an upstream account with one key, or `keys`."""
        key = {
            "secret_env": "EACHLABS_API_KEY",
            "concurrent": concurrent,
            "creates_per_minute": per_minute,
        }
        limits, alerts = fields.pop("limits", ()), fields.pop("alerts", ())
        names = ("first", "second")[: fields.pop("keys", 1)]
        self._texts += [_table("account", id=id, **fields)]
        self._texts += [_table("account.key", id=name, **key) for name in names]
        self._texts += [_table("account.alert", url=url) for url in alerts]
        self._texts += [_table("account.limit", **limit) for limit in limits]

    def tenant(self, id: str, *limits: dict[str, Any], **fields: Any) -> None:
        """Add a tenant with one key, whose secret is kept under the tenant's id."""
        guards, key, secret = fields.pop("guards", ()), fields.pop("key", {}), new_secret()
        self.secrets[id] = secret
        self._texts.append(_table("tenant", id=id, **fields))
        self._texts += [_table("tenant.limit", **limit) for limit in limits]
        self._texts += [_table("tenant.guard", **guard) for guard in guards]
        self._texts.append(_table("tenant.key", id="web", sha256=sha256_hex(secret), **key))

    def fixed_price(self, slug: str, usd: str) -> None:
        """Add a model of one price."""
        self._texts += [
            _table("model", slug=slug, price_version="1"),
            f'[model.price]\nkind = "fixed"\nusd = "{usd}"\n',
        ]

    def usual_run(self, seconds: int) -> None:
        """Say how long a run of the shipped model usually takes, by which it is looked at and found out."""
        self.model = self.model.replace("usual_run_seconds = 10", f"usual_run_seconds = {seconds}")

    def whole_book(self) -> None:
        """Add every model that the repository ships."""
        self.model = "\n".join(file.read_text("utf-8") for file in sorted(BOOK.glob("*.toml")))

    def write(self, folder: Path) -> Path:
        """Write the folder."""
        folder.mkdir()
        (folder / "policy.toml").write_text("\n".join(self._texts), "utf-8")
        (folder / "klein.toml").write_text(self.model, "utf-8")
        return folder


def limit(kind: str, **fields: Any) -> dict[str, Any]:
    """Describe one limit."""
    return {"kind": kind, **fields}


def budget(usd: str, window: str = "total", **fields: Any) -> dict[str, Any]:
    """Describe a limit on money."""
    return limit("budget", usd=usd, window=window, **fields)


def sha256_hex(secret: str) -> str:
    """The digest of a secret, as a policy has it."""
    return digest(secret).hex()


def _table(name: str, **fields: Any) -> str:
    return "\n".join([f"[[{name}]]", *(f"{field} = {_value(value)}" for field, value in fields.items()), ""])


def _value(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else json.dumps(value)
