"""Reading the secrets of upstream keys, which policy files name and never hold."""

from collections.abc import Mapping
from pathlib import Path

from gateway.policy.policy import UpstreamKey


class SecretMissing(Exception):
    """Names an upstream key whose secret cannot be had, and where it was looked for; never what was found."""


def read_secret(key: UpstreamKey, environ: Mapping[str, str]) -> str:
    """Read the secret of an upstream key from its variable or file, without the white space around it.

    A file is found from the working directory. Raises SecretMissing where there is none, and where what is there
    could not stand in the head of a request.
    """
    if key.secret_env is not None:
        place = f"environment variable {key.secret_env}"
        secret = environ.get(key.secret_env, "").strip()
    else:
        place = f"file {key.secret_file}"
        secret = _read_file(key.id, Path(key.secret_file or ""))
    if not secret:
        raise SecretMissing(f"upstream key {key.id!r} has no secret: {place} is not set or empty")
    if not (secret.isascii() and secret.isprintable()):
        raise SecretMissing(f"upstream key {key.id!r} has no usable secret: {place} is not one line of plain text")
    return secret


def _read_file(key: str, path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        reason = f"file {path} cannot be read: {error.strerror}"
        raise SecretMissing(f"upstream key {key!r} has no secret: {reason}") from error
