"""`gateway ledger export` and `trim`: each entry is shipped once, and none is dropped before it was."""

import asyncio
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import SHIPPED, on_store, spend
from gateway.ledger.attendance import Attendance
from gateway.ledger.ledger import Ledger
from gateway.ledger.scripts import load_scripts
from gateway.ledger.store import Store

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def afresh(data_dir: Path, spent: None) -> None:
    async def again(store: Store) -> None:
        await store.read("FLUSHALL", "SYNC")
        await spend(store)

    asyncio.run(on_store(data_dir, again))


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def shipped(file: Path) -> list[int]:
    return [line["sequence"] for line in lines(file)]


def trim(gateway: Run) -> str:
    return gateway("ledger", "trim")[1].removeprefix("eachlabs: ").rstrip()


def on(data_dir: Path, work: Callable[[Ledger], Awaitable[object]]) -> None:
    async def act(store: Store) -> None:
        await work(Ledger(store, load_scripts(), "eachlabs"))

    asyncio.run(on_store(data_dir, act))


async def lives_on(ledger: Ledger) -> None:
    await ledger.finish("running", "success", 5)


def test_what_was_exported_is_trimmed_and_the_rest_stays(gateway: Run, data_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    usage = gateway("usage", "--json")[1]
    assert trim(gateway) == "0 entries dropped; all up to 0 are, exported are those up to 0: right"
    assert gateway("ledger", "export", "--output", str(file))[2] == "eachlabs: 7 entries written, up to 7\n"
    on(data_dir, lives_on)
    assert trim(gateway) == "7 entries dropped; all up to 7 are, exported are those up to 7: right"
    assert gateway("ledger", "verify")[1] == "eachlabs: 8 entries (7 of them trimmed), 4 counters, 1 live: right\n"
    assert gateway("ledger", "export", "--output", str(file))[0] == 0
    assert shipped(file) == list(range(1, 9))
    assert gateway("ledger", "rebuild")[0] == gateway("ledger", "verify")[0] == 0
    assert gateway("usage", "--json")[1] == usage


def test_what_was_shipped_elsewhere_is_trimmed_once_that_is_said(gateway: Run) -> None:
    assert gateway("ledger", "export", "--ack", "3")[1] == "eachlabs: exported up to 3\n"
    assert "3 entries dropped" in trim(gateway)
    status, _, err = gateway("ledger", "export", "--ack", "8")
    assert (status, err) == (1, "gateway ledger export: the journal ends at 7; 8 was never in it\n")


def test_a_file_that_lacks_what_was_never_exported_does_not_let_it_be_trimmed(gateway: Run, tmp_path: Path) -> None:
    file = str(tmp_path / "journal.jsonl")
    _, _, err = gateway("ledger", "export", "--output", file, "--after", "2")
    assert "nothing may be trimmed" in err
    assert "gateway ledger export --ack 7" in err
    assert "0 entries dropped" in trim(gateway)
    gateway("ledger", "export", "--ack", "2")
    assert gateway("ledger", "export", "--output", file)[2] == "eachlabs: 0 entries written, up to 7\n"
    assert "7 entries dropped" in trim(gateway)


def test_entries_that_were_dropped_before_a_file_had_them_are_named(gateway: Run, tmp_path: Path) -> None:
    file = str(tmp_path / "journal.jsonl")
    gateway("ledger", "export", "--ack", "4")
    gateway("ledger", "trim")
    status, _, err = gateway("ledger", "export", "--output", file)
    assert (status, err) == (
        1,
        "gateway ledger export: the journal has no entry 1 to 4: they were trimmed before they were exported here; "
        "to go on without them: --after 4\n",
    )
    assert gateway("ledger", "export", "--output", file, "--after", "4")[0] == 0
    assert shipped(Path(file)) == [5, 6, 7]


def test_a_file_of_another_ledger_is_not_gone_on_with(gateway: Run, tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    gateway("ledger", "export", "--output", str(file))
    whole = lines(file)
    for change, told in (
        ({"account": "second"}, "an export of the account 'second', not of 'eachlabs'"),
        ({"at_us": 5}, "entry 7 is another one in the file"),
        ({"sequence": 9}, "the journal ends before entry 9"),
    ):
        text = "".join(json.dumps(line) + "\n" for line in [*whole[:-1], whole[-1] | change])
        file.write_text(text)
        status, _, err = gateway("ledger", "export", "--output", str(file))
        assert (status, told in err) == (1, True), err
        assert file.read_text() == text


def test_a_file_is_written_by_one_export_at_a_time(gateway: Run, tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    with file.open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        status, _, err = gateway("ledger", "export", "--output", str(file))
    assert (status, "another export is writing" in err) == (1, True)
    file.write_text("no entry\n")
    status, _, err = gateway("ledger", "export", "--output", str(file))
    assert (status, "a line that is no entry of a journal: b'no entry" in err) == (1, True)


def test_an_export_goes_on_after_a_failover_that_lost_what_it_had_shipped(
    gateway: Run, data_dir: Path, tmp_path: Path
) -> None:
    file = tmp_path / "journal.jsonl"
    on(data_dir, lives_on)
    gateway("ledger", "export", "--output", str(file))

    async def lose_the_last(store: Store) -> None:
        knows = Attendance(store, load_scripts(), "eachlabs")
        await knows.attend()
        await store.read("XDEL", "{eachlabs}:journal", "8-0")
        await store.read("SET", "{eachlabs}:seq", 7)
        assert not (await knows.attend()).open

    asyncio.run(on_store(data_dir, lose_the_last))
    _, _, err = gateway("ledger", "export", "--output", str(file))
    assert "the file has entries behind 7 that a failover lost: entry 1000000000 says so" in err
    assert shipped(file) == [*range(1, 9), 1_000_000_000]
    assert (lines(file)[-1]["event"], lines(file)[-1]["survived"]) == ("close", 7)
    assert trim(gateway).startswith("8 entries dropped; all up to 1000000000 are")
    gateway("ledger", "export", "--output", str(file))
    assert shipped(file) == [*range(1, 9), 1_000_000_000]


def test_an_export_whose_reader_has_enough_ends_without_a_word(data_dir: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "gateway", "ledger", "export", "--policies", SHIPPED, "--data-dir", data_dir]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
