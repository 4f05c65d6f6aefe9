"""Load: wrk as fast as a target answers, and a steady stream whatever it answers."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.programs import ROOT, pinned

WRK = "wrk"
_LATENCY = re.compile(r"^\s+(50|99)%\s+([0-9.]+)(us|ms|s)\s*$", re.MULTILINE)
_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Call:
    """A request as it is sent again and again; of several paths one after the other."""

    method: str
    paths: tuple[str, ...]
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


class Loaded(NamedTuple):
    """What a load saw: requests, of which `failed` were not answered 2xx; latencies in ms."""

    requests: int
    failed: int
    per_second: float
    p50_ms: float
    p99_ms: float


def wrk_version() -> str | None:
    """Name the load generator; None where there is none."""
    if shutil.which(WRK) is None:
        return None
    said = subprocess.run([WRK, "-v"], capture_output=True, text=True, check=False).stdout
    return " ".join(said.split()[:2])


async def saturate(url: str, call: Call, clients: int, seconds: int, place: Path, core: int | None) -> Loaded:
    """Send as fast as answers come, over so many connections. Raises RuntimeError where wrk fails."""
    script = place / "load.lua"
    script.write_text(_lua(call), "utf-8")
    words = [*pinned(core), WRK, "--latency", "-t1", f"-c{clients}", f"-d{seconds}s"]
    said = await _output([*words, "-s", str(script), url])
    percentiles = {share: float(number) * _MS[unit] for share, number, unit in _LATENCY.findall(said)}
    told = re.search(r"RESULT (\d+) (\d+) (\d+)", said)
    if told is None or len(percentiles) != 2:
        raise RuntimeError(f"wrk says:\n{said}")
    requests, failed, duration_us = map(int, told.groups())
    return Loaded(requests, failed, requests / duration_us * 1e6, percentiles["50"], percentiles["99"])


async def steady(url: str, call: Call, per_second: int, seconds: int, place: Path, core: int | None) -> Loaded:
    """Send at a fixed rate, each request at its time; a latency counts from when its request was due."""
    asked = place / "steady.json"
    asked.write_text(json.dumps({"url": url, "call": call.__dict__, "rate": per_second, "seconds": seconds}))
    module = [*pinned(core), sys.executable, "-m", "benchmarks.speed.steady", str(asked)]
    return Loaded(*json.loads(await _output(module)))


async def _output(words: list[str]) -> str:
    child = await asyncio.create_subprocess_exec(
        *words, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await child.communicate()
    if child.returncode:
        raise RuntimeError(f"{words} ends with {child.returncode}:\n{said.decode()[-2000:]}")
    return said.decode()


def _lua(call: Call) -> str:
    """Write the load as wrk takes it; requests are written out once, so that wrk itself stays quick."""
    headers = "".join(
        f"wrk.headers[{json.dumps(name)}] = {json.dumps(text)}\n" for name, text in call.headers.items()
    )
    paths = ", ".join(json.dumps(path) for path in call.paths)
    return f"""
wrk.method = {json.dumps(call.method)}
{headers}
wrk.body = {json.dumps(call.body) if call.body else "nil"}
local paths, made, at = {{ {paths} }}, {{}}, 0
function init()
  for i, path in ipairs(paths) do made[i] = wrk.format(nil, path) end
end
function request()
  at = at % #made + 1
  return made[at]
end
function done(summary)
  local e = summary.errors
  local failed = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format("RESULT %d %d %d\\n", summary.requests, failed, summary.duration))
end
"""
