import asyncio
import base64

from gateway.sandbox import SandboxConfig

BG_REMOVER = {"model": "eachlabs-bg-remover-v1", "input": {"image_url": "https://example.com/a.png"}}
KEY = {"X-API-Key": "k1"}


async def test_both_paths_create_without_a_redirect(sandbox):
    for path in ("/v1/prediction", "/v1/prediction/"):
        body = {"model": "nano-banana", "input": {"prompt": "x"}, "webhook_url": "", "version": "0.0.1"}
        answer = await sandbox.client.post(path, json=body, headers=KEY)
        assert answer.status_code == 200
        assert answer.json() == {
            "status": "success",
            "message": "Prediction created successfully",
            "predictionID": answer.json()["predictionID"],
        }


async def test_the_status_of_a_create_can_be_201(start):
    sandbox = await start(create_status=201)
    assert (await sandbox.create()).status_code == 201


AUTHENTICATION = [
    ({"X-API-Key": "good"}, 200),
    ({"Authorization": "Bearer good"}, 200),
    ({"authorization": "bearer good", "x-api-key": "good"}, 200),
    ({"Authorization": "Bearer other", "X-API-Key": "good"}, 401),
    ({"Authorization": "Basic good", "X-API-Key": "good"}, 401),
    ({"X-API-Key": "bad"}, 401),
    ({"X-API-Key": ""}, 401),
    ({}, 401),
]


async def test_a_key_comes_in_either_header_and_both_must_agree(start):
    sandbox = await start(key=("good", "other"))
    body = {"model": "nano-banana", "input": {"prompt": "x"}}
    for headers, status in AUTHENTICATION:
        answer = await sandbox.client.post("/v1/prediction", json=body, headers=headers)
        assert answer.status_code == status, headers
        if status == 401:
            assert set(answer.json()) == {"status", "message", "details"}


async def test_any_key_that_is_not_empty_is_accepted_by_default(sandbox):
    assert (await sandbox.create("whatever")).status_code == 200
    assert (await sandbox.create("")).status_code == 401


ABSENT = object()
FORBIDDEN = [
    ({"prompt": ABSENT}, "prompt is required"),
    ({"image_urls": ABSENT}, "image_urls is required"),
    ({"prompt": 1}, "prompt must be of type string"),
    ({"prompt": None}, "prompt must be of type string"),
    ({"num_images": 5}, "num_images must be at most 4"),
    ({"num_images": 0}, "num_images must be at least 1"),
    ({"num_images": True}, "num_images must be of type integer"),
    ({"num_images": "2"}, "num_images must be of type integer"),
    ({"num_inference_steps": 3}, "num_inference_steps must be at least 4"),
    ({"image_size": "huge"}, "image_size must be one of square_hd"),
    ({"output_format": "gif"}, "output_format must be one of jpeg, png, webp"),
    ({"enable_safety_checker": 1}, "enable_safety_checker must be of type boolean"),
    ({"image_urls": []}, "the number of image_urls must be at least 1"),
    ({"image_urls": ["https://e.com/a"] * 5}, "the number of image_urls must be at most 4"),
    ({"image_urls": [7]}, "image_urls[0] must be of type string"),
    ({"image_urls": ["http://e.com/a"]}, "image_urls must be a publicly reachable HTTPS URL"),
    ({"image_urls": ["data:image/png;base64,AA"]}, "image_urls must be a publicly"),
    ({"image_urls": ["https://localhost/a"]}, "image_urls must be a publicly"),
    ({"image_urls": ["https://127.0.0.1/a"]}, "image_urls must be a publicly"),
]


async def test_an_input_that_the_schema_forbids_is_refused_by_name(sandbox):
    for change, named in FORBIDDEN:
        answer = await sandbox.create(input=_klein(change))
        assert answer.status_code == 400, change
        assert named in answer.json()["details"]
    assert (await sandbox.books())["totals"]["creates"] == 0


def _klein(change):
    whole = {"prompt": "x", "image_urls": ["https://example.com/a.png"]} | change
    return {name: value for name, value in whole.items() if value is not ABSENT}


async def test_parameters_that_the_schema_does_not_name_pass(sandbox):
    assert (await sandbox.create(input=_klein({"new_thing": [1]}))).status_code == 200


NO_CREATES = [
    (b"{", 422),
    (b"[]", 422),
    (b"\xff", 422),
    (b"[" * 100_000, 422),
    (b"{}", 400),
    (b'{"model": 1, "input": {}}', 400),
    (b'{"model": "nano-banana", "input": []}', 400),
    (b'{"model": "unheard-of", "input": {}}', 404),
    (b" " * 1_048_577, 413),
]


async def test_a_body_that_is_no_create_is_refused(sandbox):
    for content, status in NO_CREATES:
        answer = await sandbox.client.post("/v1/prediction", content=content, headers=KEY)
        assert answer.status_code == status, content[:50]
    totals = (await sandbox.books())["totals"]
    assert totals["refused"] == {"422": 4, "400": 3, "404": 1, "413": 1}
    assert totals["creates"] == 0


async def test_the_last_create_is_in_the_books_as_it_came(sandbox):
    content = b'{"model":"nano-banana",  "input":{"prompt":"\\u00e4"},"own":1}'
    headers = {"Authorization": "Bearer k9", "X-Trace": "t"}
    await sandbox.client.post("/v1/prediction", content=content, headers=headers)
    books = await sandbox.books()
    assert books["last"]["body_base64"] == base64.b64encode(content).decode()
    assert ["x-trace", "t"] in books["last"]["headers"]
    assert books["creates"][0]["key"] == "k9"
    assert books["creates"][0]["auth_header"] == "Authorization"


async def test_a_model_that_cannot_run_synchronously_is_refused(sandbox):
    body = {"model": "nano-banana", "input": {"prompt": "x"}}
    answer = await sandbox.client.post("/v1/prediction/run", json=body, headers=KEY)
    assert answer.status_code == 400
    assert (await sandbox.books())["totals"]["creates"] == 0


async def test_a_run_holds_its_connection_until_it_ends(sandbox):
    run = asyncio.create_task(sandbox.client.post("/v1/prediction/run", json=BG_REMOVER, headers=KEY))
    await sandbox.clock.until_sleeping(1)
    assert not run.done()
    sandbox.clock.advance(SandboxConfig().seconds)
    body = (await run).json()
    assert (body["status"], body["error"]) == ("success", "")
    assert body["output"] == f"{sandbox.url}/output/{body['predictionID']}-0.png"
    assert (await sandbox.books())["totals"]["billed"] == "0.017"


async def test_a_run_that_fails_says_why(sandbox):
    await sandbox.faults(costs=["fail"])
    run = asyncio.create_task(sandbox.client.post("/v1/prediction/run", json=BG_REMOVER, headers=KEY))
    await sandbox.clock.until_sleeping(1)
    sandbox.clock.advance(2)
    body = (await run).json()
    assert (body["status"], body["output"]) == ("failed", None)
    assert body["error"]


async def test_a_cancelled_run_is_answered_at_once(sandbox):
    run = asyncio.create_task(sandbox.client.post("/v1/prediction/run", json=BG_REMOVER, headers=KEY))
    await sandbox.clock.until_sleeping(1)
    await sandbox.cancel((await sandbox.books())["creates"][0]["id"])
    assert (await run).json()["status"] == "cancelled"
