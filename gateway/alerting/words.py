"""An alert in words: the facts that its log line and its webhook carry."""

import json
from decimal import Decimal

from gateway.domain.instants import instant
from gateway.domain.limit import LimitKind
from gateway.domain.money import format_usd
from gateway.domain.window import FOREVER_US
from gateway.ledger.alerts import Alert


def facts(alert: Alert) -> dict[str, str | int | None]:
    """Give an alert as JSON values; money is a decimal text of US dollars, times are RFC 3339 in UTC."""
    return {
        "message": sentence(alert),
        "alert": alert.id,
        "account": alert.account,
        "scope": alert.scope,
        "limit": alert.limit,
        "kind": alert.kind.value,
        "window": alert.window,
        "threshold": alert.share,
        "amount": _shown(alert, alert.amount),
        "used": _shown(alert, alert.used),
        "held": _shown(alert, alert.held),
        "reached_at": instant(alert.at_us),
        "resets_at": None if alert.stop_us == FOREVER_US else instant(alert.stop_us),
    }


def event(alert: Alert) -> bytes:
    """Write the body of its webhook, in the form that Standard Webhooks recommends."""
    told = {"type": "limit.threshold_reached", "timestamp": instant(alert.at_us), "data": facts(alert)}
    return json.dumps(told).encode()


def sentence(alert: Alert) -> str:
    """Say it for a person."""
    percent = f"{(Decimal(alert.share) * 100).normalize():f}"
    unit = "USD" if alert.kind is LimitKind.BUDGET else "predictions"
    use = _shown(alert, alert.used + alert.held)
    return (
        f"limit {alert.limit!r} of {alert.scope} has reached {percent} %: "
        f"{use} of {_shown(alert, alert.amount)} {unit} used and held ({alert.window})"
    )


def _shown(alert: Alert, amount: int) -> str | int:
    return format_usd(amount) if alert.kind is LimitKind.BUDGET else amount
