"""The README's own lines, pasted into a shell in front of what `make run` runs."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.house import House
from e2e.programs import Program

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)


class Demo(Program):
    """`gateway serve --demo`, as `make run` has it, with what it prints before it is ready."""

    def _ready_line(self) -> list[str]:
        assert self.process.stdout is not None
        self.printed = ""
        for line in iter(self.process.stdout.readline, b""):
            if line.startswith(b"ready "):
                return line.decode().split()
            self.printed += line.decode()
        raise AssertionError(f"the demo is not ready:\n{self.said()}")

    @property
    def key(self) -> str:
        found = re.search(r"export GATEWAY_KEY=(\S+)", self.printed)
        assert found, self.printed
        return found[1]


@pytest.fixture(scope="module")
def demo(house: House) -> Iterator[Demo]:
    place = house._place("demo")
    words = ["--demo", "--sandbox", "--policies", str(ROOT / "policies"), "--data-dir", str(place / "data")]
    words += ["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]
    yield house.keep(Demo(["serve", *words], place / "log"))


def shell(demo: Demo, script: str, **variables: str) -> str:
    script = re.sub(r"^export (GATEWAY_KEY|PREDICTION_ID)=.*$", "", script, flags=re.MULTILINE)
    script = script.replace("http://127.0.0.1:8080", demo.ready[1])
    environ = {**os.environ, "GATEWAY_KEY": demo.key, **variables}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout


def test_the_lines_of_the_readme_show_prediction_cost_and_usage(demo: Demo) -> None:
    create, after = BLOCKS
    created = shell(demo, create)
    assert re.search(r"^x-gateway-hold-usd: 0\.017", created, re.MULTILINE), created
    found = re.search(r'"predictionID":"([^"]+)"', created)
    assert found, created
    for _ in range(100):
        shown = shell(demo, after, PREDICTION_ID=found[1])
        if '"status":"success"' in shown:
            break
    assert "x-gateway-cost-usd: 0.014" in shown
    assert '"used":"0.014","held":"0.00"' in shown
    assert '"estimate_usd":"0.015","hold_usd":"0.015"' in shown
    assert '"would_admit":true' in shown


def test_the_create_that_the_demo_prints_works_as_it_is(demo: Demo) -> None:
    found = re.search(r"  (curl -i -X POST .*?\}\}')", demo.printed, re.DOTALL)
    assert found, demo.printed
    assert '"status":"success"' in shell(demo, found[1])


def test_the_demo_key_is_kept_and_is_in_no_log(demo: Demo, house: House) -> None:
    data_dir = Path(demo.words[demo.words.index("--data-dir") + 1])
    assert (data_dir / "demo.key").read_text().strip() == demo.key
    assert (data_dir / "demo.key").stat().st_mode & 0o777 == 0o600
    assert demo.key not in demo.said()
