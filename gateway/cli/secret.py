"""The gateways' own secret: given by the operator, else made once, where all that share a store find it."""

import logging
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from gateway.domain.secret import Secret
from gateway.ledger.store import Store, agreed
from gateway.settings import SettingInvalid, Settings

VARIABLE = "GATEWAY_SECRET"
FILE_VARIABLE = "GATEWAY_SECRET_FILE"
#: Its name in the data directory, and (as a key) in an external store.
FILE = "gateway.secret"
KEY = "gateway:secret"
#: What the secret in use is recognised by, and cannot be found out from.
MARK = "gateway:secret:mark"

log = logging.getLogger("gateway.serve")


async def find_secret(settings: Settings, environ: Mapping[str, str], store: Store) -> Secret:
    """Give the secret of this gateway and of all that share its store.

    Without one from the operator it is made: with an embedded store in the data directory, readable by this user
    alone; with an external one in that store, since every host that shares it must sign and read alike.
    Raises SettingInvalid, or LedgerUnavailable.
    """
    given = _given(environ)
    if not settings.redis_url:
        return given or Secret(_kept(settings.data_dir / FILE).split())
    found = given or Secret((await agreed(store, KEY, secrets.token_hex(32))).split())
    await _compare(found, store)
    return found


async def _compare(secret: Secret, store: Store) -> None:
    """Warn where the last gateway that was started on this store had another secret; then it is this one's turn."""
    mark, *others = (key.hex()[:16] for key in secret.keys("mark of the secret"))
    before = await agreed(store, MARK, mark)
    if before not in (mark, *others):
        log.error(
            "another %s was in use on this store: webhook addresses and tenants' signatures of gateways that have it "
            "are not those of this one. Give every host the same, and write the one before it behind it",
            VARIABLE,
        )
    if before != mark:
        await store.read("SET", MARK, mark)


def _given(environ: Mapping[str, str]) -> Secret | None:
    """Read what the operator gives: one secret, or after it older ones that are still accepted."""
    text, file = environ.get(VARIABLE, ""), environ.get(FILE_VARIABLE, "")
    if text and file:
        raise SettingInvalid(f"{VARIABLE} and {FILE_VARIABLE} are both set; keep one")
    try:
        text = text or (Path(file).read_text(encoding="utf-8") if file else "")
        return Secret(text.split()) if text or file else None
    except (OSError, ValueError) as error:  # the message tells what is wrong, and never what was found
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SettingInvalid(f"{FILE_VARIABLE if file else VARIABLE}: {reason}") from error


def _kept(path: Path) -> str:
    """Read the secret that was made on this machine, or make it; it is there whole or not at all."""
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(made)
    except FileExistsError:  # another process was first
        pass
    finally:
        made.unlink()
    return path.read_text(encoding="ascii")
