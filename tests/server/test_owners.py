"""What a worker remembers of whose prediction is whose; and the filters of a tenant's own list."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.domain.errors import Code, Refused
from gateway.domain.reservation import Reservation, State
from gateway.server.executions import read_filters
from gateway.server.owners import TRIM_EVERY, HostOwners, Owners


def reservation(id_: str, account: str = "up") -> Reservation:
    return Reservation(id_, State.RUNNING, account, "t", "k", "m", "v", "main", 1, 1, 0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "owners.sqlite"


@pytest.fixture
def host(file: Path) -> Iterator[HostOwners]:
    host = HostOwners(file)
    yield host
    host.close()


async def test_no_more_is_remembered_than_the_bound_and_the_least_used_goes_first(host: HostOwners) -> None:
    host.close()  # what is tried here is a worker's own memory, which does without the file
    owners = Owners(host, 6)
    for name in "abc":
        owners.remember(name, reservation(name))
    assert owners.find("up", "a") == reservation("a")
    for number in range(1000):
        owners.remember(str(number), reservation("x"))
        assert owners.find("up", "a") == reservation("a")
    assert owners.find("up", "b") is None
    assert 3 <= sum(owners.find("up", str(number)) is not None for number in range(1000)) <= 6


async def test_what_a_worker_has_forgotten_its_host_knows(host: HostOwners) -> None:
    owners = Owners(host, 2)
    for name in "abcdef":
        owners.remember(name, reservation(name))
    await asyncio.sleep(0)
    assert [owners.find("up", name) for name in "abcdef"] == [reservation(name) for name in "abcdef"]


async def test_a_prediction_of_one_account_is_not_found_in_another(host: HostOwners) -> None:
    owners = Owners(host)
    owners.remember("p", reservation("mine", "up"))
    owners.remember("p", reservation("theirs", "second"))
    await asyncio.sleep(0)
    for _ in range(2):
        found = [owners.find(account, "p") for account in ("up", "second", "third")]
        assert [each and each.id for each in found] == ["mine", "theirs", None]


async def test_what_one_worker_knows_the_others_of_its_host_know_a_turn_later(host: HostOwners, file: Path) -> None:
    other_host = HostOwners(file)
    mine, others = Owners(host), Owners(other_host)
    mine.remember("p", reservation("first"))
    await asyncio.sleep(0)
    assert others.find("up", "p") == reservation("first")
    others.remember("p", reservation("another"))
    others.tell()
    assert mine.find("up", "p") == reservation("first")
    assert Owners(host).find("up", "p") == reservation("first"), "an entry changed hands"
    other_host.close()


def test_the_host_forgets_the_oldest_when_there_are_too_many(file: Path) -> None:
    host = HostOwners(file, TRIM_EVERY)
    for each in range(0, 3 * TRIM_EVERY, 3):  # three at a time, as a busy worker tells them
        host.remember([(str(number), reservation(str(number))) for number in range(each, each + 3)])
    assert host.find("up", str(2 * TRIM_EVERY - 1)) is None
    assert host.find("up", str(2 * TRIM_EVERY)) == reservation(str(2 * TRIM_EVERY))
    host.close()


def test_a_worker_that_dies_while_it_writes_leaves_the_others_what_they_need(host: HostOwners, file: Path) -> None:
    host.remember([("p", reservation("p"))])
    script = (
        "import os, sqlite3, sys; t = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "t.execute('BEGIN IMMEDIATE'); t.execute('DELETE FROM known'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(file)], timeout=30, check=False)
    host.remember([("q", reservation("q"))])
    assert [host.find("up", name) for name in "pq"] == [reservation("p"), reservation("q")]


@pytest.mark.parametrize("name", ["limit", "offset"])
@pytest.mark.parametrize(
    "text", ["-1", "1.0", "1e1", " 1", "+1", "²", "١", "0x1", "9" * 30, "0000000001" + "0" * 8, "0" * 10 + "9" * 5000]
)
def test_a_number_of_a_filter_is_within_its_bounds_however_it_is_written(name: str, text: str) -> None:
    with pytest.raises(Refused) as caught:
        read_filters({name: text})
    assert (caught.value.code, caught.value.extra) == (Code.INVALID_INPUT, {"parameter": name})


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("2050-03-15T12:00:00Z", 2_530_958_400_000_000),
        ("2050-03-15T15:00:00+03:00", 2_530_958_400_000_000),
        ("2050-03-15T15:00:00 03:00", 2_530_958_400_000_000),  # a plus sign that the query string made a blank
        ("2050-03-15T12:00:00", 2_530_958_400_000_000),
        ("2050-03-15 12:00:00", 2_530_958_400_000_000),
        ("0001-01-01", -62_135_596_800_000_000),
    ],
)
def test_a_time_of_a_filter_is_an_instant_in_utc_unless_it_says_otherwise(text: str, us: int) -> None:
    assert read_filters({"from": text}).from_us == us


@pytest.mark.parametrize("text", ["yesterday", "2050-13-01", "12:00", "2050-03-15T12:00:00+99:00", "\x00"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Refused) as caught:
        read_filters({"to": text})
    assert caught.value.extra == {"parameter": "to"}
