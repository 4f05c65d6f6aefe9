"""The key of a request, in either of its two headers."""

from collections.abc import Collection
from dataclasses import dataclass

from starlette.datastructures import Headers

from gateway.sandbox.answers import Refused, Shape


@dataclass(frozen=True)
class Credential:
    """A key and the headers in which it came: "X-API-Key", "Authorization", or both joined by "+"."""

    key: str
    header: str


def authenticate(headers: Headers, accepted: Collection[str] | None) -> Credential:
    """Read the key. Refuses with 401 what is absent, unknown, or differs between the headers."""
    given = {"X-API-Key": headers.getlist("x-api-key"), "Authorization": _bearers(headers)}
    keys = {key for values in given.values() for key in values}
    if len(keys) == 1:
        key = keys.pop()
        if key and (accepted is None or key in accepted):
            return Credential(key, "+".join(name for name, values in given.items() if values))
    raise Refused(401, "Invalid or missing API key", "Send your key in X-API-Key", shape=Shape.PAGE)


def _bearers(headers: Headers) -> list[str]:
    return [_bearer(value) for value in headers.getlist("authorization")]


def _bearer(value: str) -> str:
    scheme, _, key = value.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
