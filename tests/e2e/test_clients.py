"""Clients that exist work with only the base URL and the key changed."""

import json
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from e2e.policies import Policies
from e2e.programs import Gateway

INPUT = {"prompt": "Turn this into a realistic image", "image_urls": ["https://example.com/a.jpg"]}
SCRIPT = """
console.log = () => {};
const Each = require("@eachlabs/aiflow");
const each = new Each({ auth: process.env.KEY, apiBaseUrl: process.env.BASE });
const model = "flux-2-klein-4b-base-edit", input = JSON.parse(process.env.INPUT);
(async () => {
  const created = await each.prediction.create({ model, version: "0.0.1", input, webhook_url: "" });
  let shown;
  do { shown = await each.prediction.get(created.predictionID); } while (shown.status !== "success");
  const again = await each.prediction.create({ model, version: "0.0.1", input });
  const cancelled = await each.prediction.cancel(again.predictionID);
  process.stdout.write(JSON.stringify({ created, shown, cancelled }));
})().catch((error) => { process.stderr.write(String(error)); process.exit(1); });
"""


@pytest.fixture(scope="module")
def policies() -> Policies:
    policies = Policies()
    policies.account()
    policies.tenant("acme")
    return policies


def test_httpx_with_a_base_url(gateway: Gateway) -> None:
    headers = {"Authorization": f"Bearer {gateway.secrets['acme']}"}
    with httpx.Client(base_url=f"{gateway.url}/v1", headers=headers, trust_env=False) as client:
        body = {"model": "flux-2-klein-4b-base-edit", "input": INPUT}
        created = client.post("/prediction", json=body).raise_for_status().json()
        while (shown := client.get(f"/prediction/{created['predictionID']}").json())["status"] != "success":
            pass
    assert shown["metrics"]["cost"] == 0.014


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not on this machine")
def test_the_npm_client(gateway: Gateway, tmp_path: Path) -> None:
    install = ["npm", "install", "--no-audit", "--no-fund", "--silent", "@eachlabs/aiflow@0.0.1"]
    installed = subprocess.run(install, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=100)
    if installed.returncode != 0:
        pytest.skip(f"npm cannot install the client here: {installed.stderr.strip()[-200:]}")
    environ = {"KEY": gateway.secrets["acme"], "BASE": f"{gateway.url}/v1", "INPUT": json.dumps(INPUT)}
    node = shutil.which("node") or "node"
    ran = subprocess.run(
        [node, "-e", SCRIPT], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=30
    )
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert said["shown"]["metrics"]["cost"] == 0.014
    assert said["shown"]["urls"]["get"].startswith(gateway.url)
    assert said["cancelled"]["status"] in ("cancelled", "success")
