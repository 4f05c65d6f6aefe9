"""Wording: what was seen of a prediction, as the answer to a poll."""

from gateway.domain.money import format_usd
from gateway.server.exchange import RequestHead
from gateway.server.reply import Reply
from gateway.settlement.looks import Look
from gateway.upstream.answers import point_urls

#: Answers that are kept in words, since they are polled again and again: so many, so long.
MOST_KEPT = 512
MOST_KEPT_BYTES = 8192

#: What an answer is worded from: the look, its age in whole seconds, and the scheme and host that the client uses.
_Source = tuple[Look, int, str, bytes | None]


class Wording:
    """Makes the answers to polls; one that is asked for again is not made again."""

    def __init__(self, public_url: str | None) -> None:
        self._public_url = public_url
        self._kept: dict[str, tuple[_Source, Reply]] = {}

    def of(self, head: RequestHead, prediction: str, seen: tuple[float, Look]) -> Reply:
        """Word what was `seen` of a prediction: its age in seconds, and the look."""
        source = (seen[1], int(seen[0]), head.scope.get("scheme", "http"), head.header(b"host"))
        kept = self._kept.get(prediction)
        if kept is not None and kept[0][0] is source[0] and kept[0][1:] == source[1:]:
            return kept[1]
        reply = self._word(head, *source[:2])
        if len(reply.body) <= MOST_KEPT_BYTES:
            self._keep(prediction, source, reply)
        return reply

    def _word(self, head: RequestHead, look: Look, age_s: int) -> Reply:
        headers = [*look.headers, (b"age", b"%d" % age_s)]
        if look.cost is not None:
            headers.append((b"x-gateway-cost-usd", format_usd(look.cost).encode()))
        return Reply(look.status, headers, point_urls(look.body, head.base_url(self._public_url)))

    def _keep(self, prediction: str, source: _Source, reply: Reply) -> None:
        self._kept[prediction] = (source, reply)
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
