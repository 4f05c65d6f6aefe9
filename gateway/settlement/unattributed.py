"""Unattributed: executions of which no reservation is left, charged to the account alone."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from gateway.domain.errors import Refused
from gateway.domain.money import format_usd
from gateway.domain.reservation import UNATTRIBUTED
from gateway.domain.window import FOREVER_US, MICROSECONDS
from gateway.ledger.decisions import Order
from gateway.ledger.ledger import Ledger
from gateway.ledger.memory import Remembered
from gateway.ledger.postings import Postings
from gateway.ledger.requests import SEND_SECONDS
from gateway.ledger.views import Views
from gateway.pricing import Model, quote
from gateway.settlement.doubts import Doubt, accounted, could_be
from gateway.settlement.listing import SLACK_US, Lister
from gateway.upstream.answers import Execution, Phase
from gateway.upstream.digest import digest_input
from gateway.upstream.eachlabs import Eachlabs

log = logging.getLogger("gateway.unattributed")


class Unattributed:
    """Finds what upstream ran in a span of time and the ledger of an account does not know.

    `postings` are those of the account itself; `models` price what still runs.
    """

    def __init__(
        self,
        ledger: Ledger,
        views: Views,
        upstream: Eachlabs,
        lister: Lister,
        postings: Postings,
        models: Mapping[str, Model],
    ) -> None:
        self._ledger = ledger
        self._views = views
        self._account = upstream.account
        self._lister = lister
        self._postings = postings
        self._models = models
        self._longest_us = int((SEND_SECONDS + self._account.create_timeout_seconds) * MICROSECONDS)

    async def charge(self, from_us: int, until_us: int) -> str:
        """Hold the money of every execution that began in a span (of the store's time) and is nobody's.

        The reconciler settles it as any other. Says what could not be decided yet, '' where all is: what a live
        create may still turn out to be is left to it, unless its input says that it is another's.
        """
        listing = await self._lister.between(from_us, until_us)
        if listing is None:
            return "upstream's list of executions cannot be read to its end"
        begun = from_us + listing.ahead_us - SLACK_US, until_us + listing.ahead_us
        spans = await self._spans(listing.ahead_us)  # read before the owners: what is confirmed meanwhile has one
        unnamed = Counter(await self._views.unnamed(from_us - SLACK_US))
        nobodys = [
            execution
            for execution in listing.executions
            if begun[0] <= execution.created_us <= begun[1]
            and await self._views.owner(execution.id) is None
            and not accounted(execution, unnamed)
        ]
        inputs = await self._lister.inputs(nobodys)
        open_ends = [each for each in nobodys if _contested(each, spans, inputs)]
        unpriced = [
            each
            for each in nobodys
            if each not in open_ends and not await self._hold(each, inputs.get(each.id), listing.ahead_us)
        ]
        if open_ends:
            return f"{len(open_ends)} executions may be creates whose outcome is not known yet ({_ids(open_ends)})"
        return f"the cost of {len(unpriced)} that still run cannot be bounded ({_ids(unpriced)})" if unpriced else ""

    async def _spans(self, ahead_us: int) -> list[Doubt]:
        """Give the creates whose prediction is not known, with the spans of upstream's time in which they began."""
        creates = [*await self._views.held(), *await self._views.doubts(0, FOREVER_US)]
        sent = [(each, each.sent_us + ahead_us) for each in creates]
        return [Doubt(each, at_us - SLACK_US, at_us + self._longest_us + SLACK_US) for each, at_us in sent]

    async def _hold(self, execution: Execution, asked: Mapping[str, object] | None, ahead_us: int) -> bool:
        """Reserve for an execution as if it had been admitted, on the account alone; False where nobody can say how
        much."""
        most = self._most(execution, asked)
        if most is None:
            return False
        model = self._models.get(execution.model) or Model(slug="unknown")
        order = Order(
            id=f"lost_{execution.id}",
            tenant=UNATTRIBUTED,
            key="",
            model=execution.model,
            price_version="",
            estimate=most,
            hold=most,
            slot_s=model.max_run_seconds,
            stale_s=0,
        )
        sent_us = execution.created_us - ahead_us
        lost = Remembered(order, self._postings, sent_us, self._account.keys[0].id, execution.id)
        if await self._ledger.readmit(lost):
            told = (execution.id, execution.model, self._ledger.account, format_usd(most))
            log.error("execution %s of %s is nobody's any more: held on account %s alone, %s USD", *told)
        return True

    def _most(self, execution: Execution, asked: Mapping[str, object] | None) -> int | None:
        """Say what it costs at the most: as stated, or as a create of its input would be priced."""
        reading, model = execution.reading, self._models.get(execution.model)
        if reading.ended and (reading.cost or reading.phase is not Phase.SUCCEEDED):
            return reading.cost or 0
        if model is not None and asked is not None:
            try:
                return quote(model, asked).hold
            except Refused:
                log.info("execution %s cannot be priced by its input", execution.id)
        return self._account.unpriced


def _contested(execution: Execution, spans: Sequence[Doubt], inputs: Mapping[str, Mapping[str, object]]) -> bool:
    """Tell whether an execution may be that of a create whose prediction is not known."""
    digest = digest_input(inputs[execution.id]) if execution.id in inputs else None
    able = [span.reservation for span in spans if could_be(span, execution)]
    return any(digest is None or each.input_digest in ("", digest) for each in able)


def _ids(executions: Sequence[Execution]) -> str:
    return ", ".join(each.id for each in executions[:3]) + (", …" if len(executions) > 3 else "")
