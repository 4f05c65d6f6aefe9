"""Compiling upstream accounts."""

import re
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from gateway.domain.limit import account_scope
from gateway.policy.alerts import compile_alerts
from gateway.policy.documents import AccountDocument, UpstreamKeyDocument
from gateway.policy.limits import compile_limits
from gateway.policy.policy import Account, UpstreamKey
from gateway.policy.problems import Spot
from gateway.policy.rules import check_id, is_variable, read_money


def compile_account(document: AccountDocument, spot: Spot) -> Account:
    """Compile an account; the windows of its limits begin in UTC."""
    check_id(document.id, spot)
    return Account(
        id=document.id,
        base_url=_base_url(document.base_url, spot),
        auth_header=document.auth_header,
        unpriced=_unpriced(document.unpriced, spot),
        queue_seconds=document.queue_seconds,
        in_doubt_hours=document.in_doubt_hours,
        create_timeout_seconds=document.create_timeout_seconds,
        keys=_keys(document, spot),
        limits=compile_limits(
            document.limit, document.grant, account_scope(document.id), ZoneInfo("UTC"), spot, document.mode
        ),
        alerts=compile_alerts(document.alert, account_scope(document.id), spot),
    )


def _base_url(text: str, spot: Spot) -> str:
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is no number, or half a bracketed address
        fits = False
    else:
        fits = fits and not (parts.query or parts.fragment or parts.username or re.search(r"\s", text))
    if not fits:
        spot.report(f"{text!r} is not the address of an API; use one such as 'https://api.eachlabs.ai'", "base_url")
    return text.rstrip("/")


def _unpriced(text: str, spot: Spot) -> int | None:
    if text == "deny":
        return None
    if not text[:1].isdigit():
        spot.report(f'{text!r} is not "deny" or a hold in US dollars, such as "1.00"', "unpriced")
        return None
    hold = read_money(text, "unpriced", spot)
    if hold == 0:
        spot.report(
            'a hold of nothing would let every unpriced model pass every limit; use "deny" or an amount', "unpriced"
        )
    return hold


def _keys(document: AccountDocument, account: Spot) -> tuple[UpstreamKey, ...]:
    if not document.key:
        account.report("has no [[account.key]], so that nothing could be sent", of=("key",))
    seen: set[str] = set()
    for position, key in enumerate(document.key):
        spot = account.entry("key", position, key.id)
        check_id(key.id, spot)
        _check_secret(key, spot)
        if key.id in seen:
            spot.report("is a second key of that id in this account")
        seen.add(key.id)
    return tuple(
        UpstreamKey(key.id, key.secret_env, key.secret_file, key.creates_per_minute, key.concurrent)
        for key in document.key
    )


def _check_secret(key: UpstreamKeyDocument, spot: Spot) -> None:
    if bool(key.secret_env) == bool(key.secret_file):
        spot.report("needs secret_env or secret_file, one of them", of=("secret_env", "secret_file"))
    if key.secret_env and not is_variable(key.secret_env):
        # Perhaps the secret itself was pasted: it is not repeated in a message that ends in a log.
        spot.report("is not the name of an environment variable; never write the secret itself here", "secret_env")
