"""Tickets in the gateway's own words: the headers of an admitted create, and the reservation it stands for."""

from gateway.admission.admission import Ticket
from gateway.admission.limits import rate_limit_fields, smallest_budget
from gateway.admission.refusals import shadow_header
from gateway.domain.money import format_usd
from gateway.domain.reservation import Reservation, State
from gateway.ledger.decisions import Answered
from gateway.policy import Principal


def ticket_headers(ticket: Ticket) -> dict[str, str]:
    """Tell what an admitted create is held at, and what is left."""
    left = smallest_budget(ticket.uses)
    headers = {
        "X-Gateway-Reservation": ticket.reservation,
        "X-Gateway-Estimate-USD": format_usd(ticket.quote.estimate),
        "X-Gateway-Hold-USD": format_usd(ticket.quote.hold),
        **rate_limit_fields(ticket.uses),
    }
    if left is not None:
        headers["X-Gateway-Budget-Remaining-USD"] = format_usd(left)
    return headers | shadow_header(ticket.shadows)


def repeat_headers(first: Answered) -> dict[str, str]:
    """Tell that an answer is that of an earlier create with the same Idempotency-Key."""
    return {
        "Content-Type": "application/json",
        "X-Gateway-Reservation": first.reservation,
        "Idempotency-Replayed": "true",
    }


def reservation_of(principal: Principal, ticket: Ticket, prediction: str) -> Reservation:
    """Give the reservation as the ledger keeps it while its prediction runs."""
    quote = ticket.quote
    return Reservation(
        id=ticket.reservation,
        state=State.RUNNING,
        account=principal.tenant.account.id,
        tenant=principal.tenant.id,
        key=principal.key,
        model=quote.model,
        price_version=quote.price_version,
        upstream_key=ticket.upstream_key,
        estimate=quote.estimate,
        hold=quote.hold,
        admitted_us=ticket.at_us,
        prediction=prediction,
    )
