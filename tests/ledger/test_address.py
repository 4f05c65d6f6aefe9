"""The address of a single server means here what it means to redis-py, which is not asked for the usual ones."""

import subprocess
import sys

import pytest

from gateway.ledger import redis_py
from gateway.ledger.address import read_address


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://127.0.0.1:6380",
        "redis://store.internal/4",
        "redis://store:7000/?db=2",
        "redis://store:7000/3?db=2",
        "redis://[::1]:6390/1",
        "redis://:p%40ss%2Fword@store",
        "redis://user:pa%3Ass@store:1/0",
        "redis://user@store",
        "unix:///run/store.sock",
        "unix:///a%20b/store.sock?db=5",
        "unix://user:secret@/run/store.sock",
    ],
)
def test_an_address_is_read_as_redis_py_reads_it(url: str) -> None:
    ours, theirs = read_address(url), redis_py.read_address(url)
    assert ours.greeting() == theirs.greeting()
    assert ours.path == theirs.path
    assert ours.path or (ours.host, ours.port) == (theirs.host, theirs.port)
    assert ours.tls is theirs.tls is None


def test_a_database_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="database"):
        read_address("redis://store/money")


@pytest.mark.parametrize(
    ("url", "loads"),
    [("unix:///s", False), ("redis://s", False), ("rediss://s", True), ("redis+cluster://s:1", True)],
)
def test_redis_py_is_loaded_where_the_address_asks_for_it(url: str, loads: bool) -> None:
    script = f"import sys; from gateway.ledger.store import connect; connect({url!r}); print('redis' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == str(loads)
