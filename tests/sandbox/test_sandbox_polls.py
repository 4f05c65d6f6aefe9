import pytest

from gateway.sandbox.config import PollShape


async def test_a_prediction_starts_runs_and_succeeds_with_its_exact_price(sandbox):
    prediction_id = await sandbox.created()
    first = await sandbox.poll(prediction_id)
    assert (first["status"], first["output"], first["metrics"]["cost"]) == ("starting", None, 0)
    sandbox.clock.advance(1)
    assert (await sandbox.poll(prediction_id))["status"] == "processing"
    sandbox.clock.advance(1)
    answer = await sandbox.get(f"/v1/prediction/{prediction_id}")
    assert '"cost":0.014}' in answer.text
    address = f"{sandbox.url}/v1/prediction/{prediction_id}"
    assert answer.json() == {
        "id": prediction_id,
        "input": {"prompt": "a cat", "image_urls": ["https://example.com/cat.jpg"]},
        "status": "success",
        "output": [f"{sandbox.url}/output/{prediction_id}-0.png"],
        "logs": None,
        "metrics": {"predict_time": 2.0, "cost": 0.014},
        "urls": {"cancel": f"{address}/cancel", "get": address},
    }


@pytest.mark.parametrize(
    ("given", "cost"),
    [
        ({}, "0.014"),
        ({"image_size": "square_hd"}, "0.015"),
        ({"image_size": "square"}, "0.014"),
        ({"image_size": "portrait_16_9", "num_images": 3}, "0.042"),
        ({"image_size": "square_hd", "num_images": 4}, "0.06"),
    ],
)
async def test_klein_is_priced_by_the_begun_megapixel_of_each_image(sandbox, given, cost):
    whole = {"prompt": "x", "image_urls": ["https://example.com/a.png"]} | given
    prediction_id = await sandbox.created(input=whole)
    sandbox.clock.advance(2)
    answer = await sandbox.get(f"/v1/prediction/{prediction_id}")
    assert f'"cost":{cost}}}' in answer.text
    books = await sandbox.books()
    assert books["creates"][0]["cost"] == books["totals"]["billed"] == cost


async def test_the_books_name_what_decided_the_price(sandbox):
    await sandbox.created()
    entry = (await sandbox.books())["creates"][0]
    assert entry["facts"] == {
        "image_size": "landscape_4_3",
        "width": 1024,
        "height": 768,
        "megapixels": 1,
        "num_images": 1,
    }
    assert (entry["status"], entry["cost"], entry["ended_at"]) == ("starting", "0", None)


async def test_nano_banana_is_priced_by_the_image(sandbox):
    given = {"prompt": "x", "num_images": 3}
    prediction_id = await sandbox.created(model="nano-banana", input=given)
    sandbox.clock.advance(2)
    polled = await sandbox.poll(prediction_id)
    assert polled["metrics"]["cost"] == 0.12
    assert len(polled["output"]) == 3


async def test_the_shape_of_the_model_page_has_no_cost(start):
    sandbox = await start(poll_shape=PollShape.MODEL_PAGE)
    prediction_id = await sandbox.created()
    sandbox.clock.advance(2)
    polled = await sandbox.poll(prediction_id)
    assert set(polled) == {"status", "predictionID", "output", "metrics"}
    assert polled["metrics"] == {"predict_time": 2.0}


async def test_a_failed_run_is_200_with_a_reason_and_costs_nothing(start):
    sandbox = await start(fail_rate=1.0)
    prediction_id = await sandbox.created()
    sandbox.clock.advance(2)
    polled = await sandbox.poll(prediction_id)
    assert (polled["status"], polled["metrics"]["cost"]) == ("error", 0)
    assert polled["message"]
    assert polled["details"] == polled["output"]


async def test_an_unknown_prediction_is_404_and_its_cancel_500(sandbox):
    answer = await sandbox.get("/v1/prediction/nothing")
    assert (answer.status_code, answer.json()) == (404, {"error": "Prediction not found"})
    assert (await sandbox.cancel("nothing")).status_code == 500


async def test_a_cancelled_prediction_costs_nothing_and_stays_cancelled(sandbox):
    prediction_id = await sandbox.created()
    sandbox.clock.advance(1)
    answer = await sandbox.cancel(prediction_id)
    assert answer.json()["status"] == "cancelled"
    sandbox.clock.advance(5)
    polled = await sandbox.poll(prediction_id)
    assert (polled["status"], polled["metrics"]) == ("cancelled", {"predict_time": 1.0, "cost": 0})
    assert (await sandbox.cancel(prediction_id)).json()["status"] == "success"
    assert (await sandbox.books())["totals"]["billed"] == "0"


async def test_a_cancel_that_does_not_work_lets_the_run_go_on(start):
    sandbox = await start(cancel_works=False)
    prediction_id = await sandbox.created()
    assert (await sandbox.cancel(prediction_id)).json()["status"] == "cancelled"
    sandbox.clock.advance(2)
    assert (await sandbox.poll(prediction_id))["metrics"]["cost"] == 0.014


@pytest.mark.parametrize(
    ("fault", "reads", "billed", "listed"),
    [
        ("0.02", [0.02, 0.02], "0.02", 0.02),
        ("zero_once", [0, 0.014], "0.014", 0.014),
        ("zero", [0, 0], "0.014", 0),
        ("absent", [None, None], "0.014", None),
        ("absent_in_polls", [None, None], "0.014", 0.014),
        ("fail", [0, 0], "0", 0),
        ("fail:0.005", [0.005, 0.005], "0.005", 0.005),
        ("ok", [0.014, 0.014], "0.014", 0.014),
    ],
)
async def test_a_cost_fault_decides_what_is_billed_and_what_is_read(sandbox, fault, reads, billed, listed):
    await sandbox.faults(costs=[fault])
    prediction_id = await sandbox.created()
    await sandbox.poll(prediction_id)
    sandbox.clock.advance(2)
    seen = [(await sandbox.poll(prediction_id))["metrics"].get("cost") for _ in range(2)]
    assert seen == reads
    execution = (await sandbox.get("/v1/executions")).json()["executions"][0]
    assert execution.get("execution_cost") == listed
    assert (await sandbox.books())["totals"]["billed"] == billed


async def test_every_answer_carries_the_date_of_the_sandbox_clock_and_a_request_id(sandbox):
    answer = await sandbox.client.get("/nowhere", headers={"X-Request-Id": "abc"})
    assert answer.status_code == 404
    assert answer.headers.get_list("date") == ["Fri, 15 Jan 2027 08:00:00 GMT"]
    assert answer.headers["x-request-id"] == "abc"
    assert (await sandbox.client.get("/v1/models")).headers["x-request-id"]
