"""The image and the compose file name only what exists, and start a store that the gateway accepts."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.cli import secret
from gateway.ledger.durability import REQUIRED
from gateway.settings import TABLE

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8")
SETTINGS = {setting.variable: setting for setting in TABLE}


def test_every_variable_of_the_image_is_a_setting_with_a_value_that_it_reads():
    given = re.findall(r"(GATEWAY_\w+)=(\S+)", DOCKERFILE)
    assert {name for name, _ in given} >= {"GATEWAY_LISTEN", "GATEWAY_METRICS_LISTEN", "GATEWAY_DATA_DIR"}
    for name, value in given:
        SETTINGS[name].read(value)


def test_every_variable_of_the_compose_file_is_a_setting():
    given = set(re.findall(r"GATEWAY_[A-Z_]+", COMPOSE))
    assert {"GATEWAY_REDIS_URL", "GATEWAY_WORKERS"} <= given <= {*SETTINGS, secret.VARIABLE}


@pytest.mark.parametrize("name", REQUIRED)
def test_the_store_of_the_compose_file_is_set_as_the_gateway_requires(name):
    assert re.search(rf'--{name}\n +- "?{REQUIRED[name]}"?\n', COMPOSE)


def test_every_port_is_bound_to_the_host_alone():
    assert re.findall(r'(?:- |\[")((?:[\d.]+:)?\d+:\d+)"?\]?$', COMPOSE, re.MULTILINE) == [
        "127.0.0.1:8080:8080",
        "127.0.0.1:9464:9464",
        "127.0.0.1:9090:9090",
    ]


def test_the_image_is_built_by_the_uv_of_the_makefile():
    uv = re.search(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert f"ARG UV_VERSION={uv[1]}\n" in DOCKERFILE


def test_all_code_of_the_image_is_compiled_in_it_since_none_is_at_run_time():
    assert "PYTHONDONTWRITEBYTECODE=1" in DOCKERFILE
    assert "UV_COMPILE_BYTECODE=1" in DOCKERFILE  # what is installed
    assert re.search(r'python -m compileall .*get_path\("stdlib"\)', DOCKERFILE)  # Python's own


def test_what_the_image_copies_is_what_the_builder_is_sent():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sent = {line[1:] for line in ignored if line.startswith("!")}
    copied = {
        name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()
    }
    assert copied == sent
    assert all((ROOT / name).exists() for name in sent)


def test_the_health_check_of_the_image_asks_the_metrics_listener():
    check = re.search(r'^HEALTHCHECK .*CMD \["python", "-c", "(.+)"\]$', DOCKERFILE, re.MULTILINE)
    compile(check[1], "HEALTHCHECK", "exec")
    assert "GATEWAY_METRICS_LISTEN" in check[1]


def test_every_variable_that_compose_wants_is_in_the_example():
    wanted = set(re.findall(r"\$\{([A-Z_]+)", COMPOSE))
    example = (ROOT / "deploy" / "example.env").read_text(encoding="utf-8")
    assert wanted == set(re.findall(r"([A-Z_]+)=", example))


@pytest.mark.skipif(shutil.which("docker") is None, reason="docker is not on the PATH")
def test_compose_reads_its_file(tmp_path):
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker has no compose plugin")
    environ = {"PATH": "/usr/local/bin:/usr/bin:/bin", "EACHLABS_API_KEY": "k", "VALKEY_PASSWORD": "p"}
    command = ["docker", "compose", "-f", str(ROOT / "deploy" / "compose.yaml"), "config", "--quiet"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
