"""POST /sandbox/faults: tests say what goes wrong next."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gateway.sandbox.answers import JSONAnswer, Refused, Shape
from gateway.sandbox.simulation import Simulation


class Control:
    """The queues of faults; needs no key."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    async def add_faults(self, request: Request) -> Response:
        """Append to the queues and answer with all that wait. Refuses unknown names with 400."""
        # What has ended by now must not take a fault that is meant for what ends next.
        self._simulation.settled_now()
        try:
            queues = msgspec.json.decode(await request.body(), type=dict[str, list[str]])
            self._simulation.faults.add(queues)
        except (msgspec.DecodeError, ValueError) as error:
            raise Refused(400, str(error), shape=Shape.PLAIN) from error
        return JSONAnswer(self._simulation.faults.waiting())
