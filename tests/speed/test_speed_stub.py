"""The upstream of the benchmark of speed: what it counts is what the benchmark asks for, and judges by."""

import sys
from pathlib import Path

import httpx

from benchmarks.programs import Program, free_port


async def test_predictions_are_numbered_one_after_the_other_whatever_else_is_asked(tmp_path: Path) -> None:
    """A number that a list of executions took would be polled as a prediction, and answered 404."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    stub = Program([sys.executable, "-m", "benchmarks.speed.stub", "--port", str(port)], tmp_path / "log", {})
    try:
        await stub.answers(f"{url}/count")
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            made = []
            for _ in range(2):
                made.append((await http.post("/v1/prediction", content=b"{}")).json()["predictionID"])
                await http.get("/v1/executions")
            assert made == ["runs-1", "runs-2"]
            assert ((await http.get("/made")).text, (await http.get("/count")).text) == ("2", "4")
    finally:
        stub.stop()
