import struct
import zlib


async def test_executions_show_every_key_newest_first(sandbox):
    first = await sandbox.created("k1")
    sandbox.clock.advance(2)
    second = await sandbox.created("k2", model="nano-banana", input={"prompt": "x"})
    body = (await sandbox.get("/v1/executions", "k3")).json()
    assert [execution["id"] for execution in body["executions"]] == [second, first]
    assert (body["total_count"], body["total_capped"], body["offset"], body["limit"]) == (2, False, 0, 20)
    assert body["executions"][1] == {
        "id": first,
        "model": "flux-2-klein-4b-base-edit",
        "requested_model": None,
        "status": "success",
        "workflow_id": None,
        "workflow_execution_id": None,
        "execution_cost": 0.014,
        "run_time": 2.0,
        "created_at": "2027-01-15T08:00:00.000000Z",
        "started_at": "2027-01-15T08:00:00.400000Z",
        "completed_at": "2027-01-15T08:00:02.000000Z",
        "output": f"{sandbox.url}/output/{first}-0.png",
    }
    assert body["executions"][0]["status"] == "starting"
    assert body["executions"][0]["completed_at"] is None


async def test_executions_are_filtered_and_paged(sandbox):
    klein = await sandbox.created()
    sandbox.clock.advance(10)
    banana = await sandbox.created(model="nano-banana", input={"prompt": "x"})

    async def listed(**params):
        body = (await sandbox.get("/v1/executions", **params)).json()
        return [execution["id"] for execution in body["executions"]]

    assert await listed(model="nano-banana") == [banana]
    assert await listed(status="success,error") == [klein]
    assert await listed(status="starting") == [banana]
    assert await listed(limit=1, offset=1) == [klein]
    assert await listed(**{"from": "2027-01-15T08:00:05Z"}) == [banana]
    assert await listed(to="2027-01-15T10:00:05+02:00") == [klein]


async def test_executions_refuse_what_they_do_not_understand(sandbox):
    pages = [{"limit": 0}, {"limit": 101}, {"offset": -1}]
    for params in [*pages, {"status": "processing"}, {"from": "x"}, {"to": "2027-01-15"}]:
        answer = await sandbox.get("/v1/executions", **params)
        assert answer.status_code == 400, params
        assert set(answer.json()) == {"error"}


async def test_a_capped_count_is_exact_only_on_the_last_page(start):
    sandbox = await start(executions_count_cap=2)
    for _ in range(4):
        await sandbox.created()
    body = (await sandbox.get("/v1/executions", limit=1)).json()
    assert (body["total_count"], body["total_capped"]) == (2, True)
    body = (await sandbox.get("/v1/executions", limit=2, offset=2)).json()
    assert (body["total_count"], body["total_capped"]) == (4, False)


async def test_executions_can_lag(start):
    sandbox = await start(executions_lag_seconds=5)
    await sandbox.created()
    assert (await sandbox.get("/v1/executions")).json()["executions"] == []
    sandbox.clock.advance(5)
    assert len((await sandbox.get("/v1/executions")).json()["executions"]) == 1


async def test_models_and_their_schemas_need_no_key(sandbox):
    models = (await sandbox.client.get("/v1/models", params={"name": "KLEIN"})).json()
    assert [model["slug"] for model in models] == ["flux-2-klein-4b-base-edit"]
    detail = (await sandbox.client.get("/v1/model", params={"slug": "flux-2-klein-4b-base-edit"})).json()
    assert detail == models[0]
    properties = detail["request_schema"]["properties"]
    assert detail["request_schema"]["required"] == ["prompt", "image_urls"]
    assert (properties["image_size"]["default"], properties["num_images"]["maximum"]) == ("landscape_4_3", 4)
    document = await sandbox.client.get("/v1/models/flux-2-klein-4b-base-edit/schemas/openapi")
    assert document.json()["components"]["schemas"]["Input"] == detail["request_schema"]
    assert len((await sandbox.client.get("/v1/models", params={"limit": 2, "offset": 1})).json()) == 2
    assert (await sandbox.client.get("/v1/llm-router/model-catalog")).json()["models"]


async def test_a_model_that_does_not_exist_is_404(sandbox):
    assert (await sandbox.client.get("/v1/model", params={"slug": "x"})).status_code == 404
    assert (await sandbox.client.get("/v1/model")).status_code == 400
    assert (await sandbox.client.get("/v1/models/x/schemas/openapi")).status_code == 404


async def test_an_output_is_a_real_png_whose_colour_is_its_own(sandbox):
    prediction_id = await sandbox.created(model="nano-banana", input={"prompt": "x", "num_images": 2})
    early = await sandbox.client.get(f"{sandbox.url}/output/{prediction_id}-0.png")
    assert early.status_code == 404
    sandbox.clock.advance(2)
    addresses = (await sandbox.poll(prediction_id))["output"]
    pictures = [await sandbox.client.get(address) for address in addresses]
    assert {picture.headers["content-type"] for picture in pictures} == {"image/png"}
    colours = {_one_colour(picture.content) for picture in pictures}
    assert len(colours) == 2


def _one_colour(png: bytes) -> bytes:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, rest = {}, png[8:]
    while rest:
        (length,) = struct.unpack(">I", rest[:4])
        kind, data = rest[4:8], rest[8 : 8 + length]
        assert zlib.crc32(kind + data) == struct.unpack(">I", rest[8 + length : 12 + length])[0]
        chunks[kind], rest = data, rest[12 + length :]
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    rows = zlib.decompress(chunks[b"IDAT"])
    colour = rows[1:4]
    assert rows == (b"\0" + colour * width) * height
    return colour


async def test_a_file_is_presigned_and_deleted_more_than_once(sandbox):
    key = {"Authorization": "Bearer k1"}
    body = {"content_type": "image/png", "file_type": "image", "expires_in_seconds": 60}
    presigned = (await sandbox.client.post("/v1/upload/presign", json=body, headers=key)).json()
    assert presigned["public_url"].endswith(f"{presigned['id']}.png")
    assert presigned["required_headers"] == {"x-amz-meta-file-id": presigned["id"]}
    assert presigned["expires_at"] == "2027-01-15T08:01:00.000000Z"
    for _ in range(2):
        assert (await sandbox.client.delete(f"/v1/files/{presigned['id']}", headers=key)).status_code == 204
    unknown = "00000000-0000-4000-8000-000000000000"
    assert (await sandbox.client.delete(f"/v1/files/{unknown}", headers=key)).status_code == 404
    assert (await sandbox.client.delete("/v1/files/x", headers=key)).status_code == 400
    assert (await sandbox.client.delete(f"/v1/files/{presigned['id']}")).status_code == 401
