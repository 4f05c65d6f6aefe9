"""POST /v1/prediction and /v1/prediction/run: what spends money."""

import asyncio
import uuid
from decimal import Decimal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gateway.sandbox.answers import JSONAnswer, Refused, Shape
from gateway.sandbox.catalogue import Model
from gateway.sandbox.credentials import Credential
from gateway.sandbox.limits import seconds_until
from gateway.sandbox.predictions import FAILURE, Prediction
from gateway.sandbox.simulation import Simulation
from gateway.sandbox.validation import problems
from gateway.sandbox.webhooks import Deliveries


class CreateBody(msgspec.Struct, frozen=True):
    """The body of a create; fields that it does not name are ignored, as is `version`."""

    model: str
    input: dict[str, object]
    webhook_url: str | None = None
    webhook_secret: str | None = None


class Creates:
    """Both creating endpoints."""

    def __init__(self, simulation: Simulation, deliveries: Deliveries) -> None:
        self._simulation = simulation
        self._deliveries = deliveries

    async def create(self, request: Request) -> Response:
        """Begin a prediction and answer with its id."""
        return await self._answer(request, sync=False)

    async def run(self, request: Request) -> Response:
        """Begin a prediction and answer with its result, once there is one."""
        return await self._answer(request, sync=True)

    async def _answer(self, request: Request, *, sync: bool) -> Response:
        try:
            return await self._under_fault(request, sync=sync)
        except Refused as refusal:
            self._simulation.seen.refused[refusal.status] += 1
            raise

    async def _under_fault(self, request: Request, *, sync: bool) -> Response:
        simulation = self._simulation
        body = await read_body(request, simulation.config.body_limit_bytes)
        simulation.seen.create(request, body)
        credential = simulation.authenticate(request)
        # Before any fault: what reached upstream counts for the key, whatever the answer was.
        simulation.rate.arrive(credential.key, simulation.clock.time())
        fault = simulation.faults.next_request("creates")
        if fault.name == "500_before":
            simulation.seen.refused[500] += 1

        async def act() -> Response:
            return await self._create(request, credential, body, sync=sync)

        return await fault.around(act, simulation.clock)

    async def _create(self, request: Request, credential: Credential, raw: bytes, *, sync: bool) -> Response:
        now = self._simulation.settled_now()
        self._check_rate(credential.key, now)
        body = parse(raw)
        model = self._model(body.model, sync=sync)
        check_input(model, body.input)
        price = model.cost(body.input, self._simulation.chance)
        self._check_balance(price)
        self._check_in_flight(credential.key, now)
        prediction = self._made(request, credential, body, model, price, now)
        prediction.sync = sync
        self._begun(prediction)
        return await self._result(prediction) if sync else self._created(prediction)

    def _check_rate(self, key: str, now: float) -> None:
        wait = self._simulation.rate.admit(key, now)
        if wait is not None:
            details = f"{self._simulation.config.creates_per_minute} creates per minute"
            raise Refused(429, "Rate limit exceeded", details, shape=Shape.PAGE, retry_after=wait)

    def _model(self, slug: str, *, sync: bool) -> Model:
        model = self._simulation.models.get(slug)
        if model is None:
            raise Refused(404, "Model not found", slug, shape=Shape.PAGE)
        if sync and not model.sync:
            raise Refused(400, f"{slug} cannot run synchronously", shape=Shape.PLAIN)
        return model

    def _check_balance(self, price: Decimal) -> None:
        balance, predictions = self._simulation.config.balance_usd, self._simulation.predictions
        if balance is not None and predictions.billed + predictions.reserved + price > balance:
            details = "the balance is too low for this and the estimates in flight"
            raise Refused(402, "payment required", details, shape=Shape.NUMBERED)

    def _check_in_flight(self, key: str, now: float) -> None:
        running = self._simulation.predictions.in_flight(key)
        most = self._simulation.config.concurrent
        if len(running) >= most:
            free_at = min((prediction.ends_at for prediction in running), default=now)
            wait = seconds_until(free_at, now)
            raise Refused(429, "Rate limit exceeded", f"{most} concurrent", shape=Shape.PAGE, retry_after=wait)

    def open(
        self,
        request: Request,
        credential: Credential,
        model: Model,
        given: dict[str, object],
        *,
        requested_model: str | None = None,
        workflow: tuple[str, str] | None = None,
    ) -> Prediction:
        """Begin a run that is asked for by another route, under the same limits."""
        now = self._simulation.settled_now()
        self._check_rate(credential.key, now)
        price = model.cost(given, self._simulation.chance)
        self._check_balance(price)
        self._check_in_flight(credential.key, now)
        body = CreateBody(model.slug, given)
        prediction = self._made(request, credential, body, model, price, now)
        prediction.sync, prediction.requested_model, prediction.workflow = True, requested_model, workflow
        return self._begun(prediction)

    def _made(
        self,
        request: Request,
        credential: Credential,
        body: CreateBody,
        model: Model,
        price: Decimal,
        now: float,
    ) -> Prediction:
        return Prediction(
            # Not from the seed: a restarted sandbox must not repeat ids that someone remembers.
            id=str(uuid.uuid4()),
            key=credential.key,
            auth_header=credential.header,
            model=model,
            input=body.input,
            price=price,
            base_url=str(request.base_url).rstrip("/"),
            created_at=now,
            ends_at=now + self._simulation.run_seconds(model.slug),
            webhook_url=body.webhook_url or "",
            webhook_secret=body.webhook_secret or "",
        )

    def _begun(self, prediction: Prediction) -> Prediction:
        self._simulation.predictions.add(prediction)
        self._deliveries.expect(prediction)
        return prediction

    def _created(self, prediction: Prediction) -> Response:
        message = "Prediction created successfully"
        body = {"status": "success", "message": message, "predictionID": prediction.id}
        return JSONAnswer(body, self._simulation.config.create_status)

    async def _result(self, prediction: Prediction) -> Response:
        await until_ended(prediction, self._simulation)
        status = prediction.status(self._simulation.clock.time())
        failed = status == "error"
        body = {
            "status": "failed" if failed else status,
            "message": "Prediction failed" if failed else "Prediction completed successfully",
            "predictionID": prediction.id,
            "output": None if failed else prediction.output(),
            "error": FAILURE if failed else "",
        }
        return JSONAnswer(body)


async def until_ended(prediction: Prediction, simulation: Simulation) -> None:
    """Return once a prediction has run its time or was cancelled."""
    timer = asyncio.create_task(simulation.clock.sleep_until(prediction.ends_at))
    cancelled = asyncio.create_task(prediction.ended.wait())
    try:
        await asyncio.wait({timer, cancelled}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()
        cancelled.cancel()
    simulation.settled_now()


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """The body of a request. Refuses a longer one with 413, before it is read whole."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit_bytes:
            raise Refused(413, "request body too large", shape=Shape.PLAIN)
    return bytes(body)


def parse(raw: bytes) -> CreateBody:
    """The body of a create. Refuses 422 what is no JSON object, 400 what is no create."""
    try:
        decoded = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Refused(422, "invalid request body", "not JSON", shape=Shape.NUMBERED) from error
    if not isinstance(decoded, dict):
        raise Refused(422, "invalid request body", "not a JSON object", shape=Shape.NUMBERED)
    try:
        return msgspec.convert(decoded, CreateBody)
    except msgspec.ValidationError as error:
        raise Refused(400, "Invalid input", str(error), shape=Shape.PAGE) from error


def check_input(model: Model, given: dict[str, object]) -> None:
    """Refuses with 400 what the model's request schema does not allow."""
    found = problems(model.request_schema, given)
    if found:
        raise Refused(400, "Invalid input", "; ".join(found), shape=Shape.PAGE)
