"""Planted bugs: each takes the protection against one pain out of a copy of the gateway, and a test must turn red.

`make planted` plants them one after the other and prints which test caught which; a bug that lives is told.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from pains.table import ROOT

SECONDS = 300


class Edit(NamedTuple):
    """A text of a file, and what stands there instead."""

    file: str
    old: str
    new: str


class Bug(NamedTuple):
    """A protection that is taken out, and the test that shows it."""

    pain: int
    name: str
    test: str
    edits: tuple[Edit, ...]


_SCRIPTS = "gateway/ledger/scripts"
_EXACT = "tests/e2e/test_exact_limits.py::test_of_two_hundred_at_once_exactly_ten_are_admitted"
_ENDS = (
    "tests/pains/test_ends.py::test_after_every_kind_of_end_no_hold_and_no_slot_is_left_and_the_budget_is_spent_to_its"
    "_last_cent"
)
_METRICS, _STORE, _BORDERS = "tests/e2e/test_metrics.py", "tests/e2e/test_store_down.py", "tests/e2e/test_borders.py"

_WHILE_CONNECTED = """async def _while_connected(work, exchange):
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(exchange._receive())
    await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
    return await task


"""
_OF_ONE_WORKER = """def _of_one(folder):
    import pathlib, shutil, tempfile
    alone = tempfile.mkdtemp()
    for file in sorted(pathlib.Path(folder).glob("counter_*.db"))[:1]:
        shutil.copy(file, alone)
    return alone


"""

BUGS = (
    Bug(1, "the check forgets what is held", _EXACT,
        (Edit(f"{_SCRIPTS}/reserve.lua", "charged + held + req.hold - amount", "charged + req.hold - amount"),)),
    Bug(2, "an end leaves its hold", _ENDS,
        (Edit(f"{_SCRIPTS}/life.lua", "post_to(line, cost, 0 - tonumber(r.hold), count)", ""),)),
    Bug(3, "each process counts for itself",
        "tests/pains/test_replicas.py::test_two_gateways_on_one_store_admit_together_what_one_would",
        (Edit("gateway/ledger/postings.py", "import hashlib\n", "import hashlib\nimport os\n"),
         Edit("gateway/ledger/postings.py", 'return f"{{{account}}}"', 'return f"{{{account}-{os.getppid()}}}"'))),
    Bug(4, "the embedded store keeps nothing on disk",
        f"{_STORE}::test_a_store_that_dies_is_started_again_and_has_lost_nothing",
        (Edit("gateway/ledger/server_process.py", '"appendonly": "yes"', '"appendonly": "no"'),)),
    Bug(5, "a limit that is new forgets the past",
        "tests/pains/test_changed_policies.py::test_a_limit_that_is_renamed_raised_moved_or_new_keeps_what_was_used",
        (Edit(f"{_SCRIPTS}/seed.lua",
              "add_to(c, c.width > 0 and bucket_at(c, us), { charged, held, predictions })", ""),
         Edit(f"{_SCRIPTS}/seed.lua", "add_to(c, bucket, sums)", ""))),
    Bug(6, "every window begins by UTC",
        "tests/ledger/test_hours.py::test_a_daily_budget_of_a_policy_file_begins_anew_at_midnight_of_its_tenant_and_at_no"
        "_other_hour",
        (Edit("gateway/domain/window.py", "    at_s = at_us // MICROSECONDS\n",
              '    at_s, zone = at_us // MICROSECONDS, ZoneInfo("UTC")\n'),)),
    Bug(7, "the number of images is not multiplied",
        "tests/pains/test_media_prices.py::test_every_size_and_number_of_images_is_held_settled_and_billed_at_the_same"
        "_amount",
        (Edit("gateway/pricing/kinds/megapixel.py", "images = inputs.count(self.images_parameter)", "images = 1"),)),
    Bug(8, "what has no price is held at nothing",
        "tests/e2e/test_refusals.py::test_a_model_without_a_price_is_refused",
        (Edit("gateway/admission/price.py", "if tenant.account.unpriced is None:", "if False:"),
         Edit("gateway/admission/price.py", "body.model, tenant.account.unpriced",
              "body.model, tenant.account.unpriced or 0"))),
    Bug(9, "every poll of an ended job settles it again",
        "tests/pains/test_jobs.py::test_a_job_that_is_polled_by_everybody_at_once_is_charged_once",
        (Edit(f"{_SCRIPTS}/settle.lua", "':settle']", "':settle'] or r.state == 'settled' and r.state"),
         Edit(f"{_SCRIPTS}/common.lua", "'how', 'status' }", "'how', 'status', 'counters' }"))),
    Bug(10, "a create ends with its client's connection",
        f"{_BORDERS}::test_a_client_that_hangs_up_has_its_create_recorded_all_the_same",
        (Edit("gateway/server/create.py", "asyncio.shield(self._parts.recorder.keep(create.carry()))",
              "_while_connected(create.carry(), exchange)"),
         Edit("gateway/server/create.py", "class _Create:", _WHILE_CONNECTED + "class _Create:"))),
    Bug(11, "an end leaves its slots", _ENDS,
        (Edit(f"{_SCRIPTS}/life.lua", "  free_slots(at, id, r)\n", ""),)),
    Bug(12, "the store is waited for without a bound",
        f"{_STORE}::test_with_the_store_down_creates_are_refused_polls_go_on_and_it_recovers_by_itself",
        (Edit("gateway/ledger/bounds.py", "COMMAND_SECONDS = 0.8", "COMMAND_SECONDS = 60"),
         Edit("gateway/ledger/bounds.py", "CALL_SECONDS = 0.95", "CALL_SECONDS = 60"))),
    Bug(13, "one worker's counters are told for all of them",
        f"{_METRICS}::test_the_sums_over_both_workers_are_what_was_sent",
        (Edit("gateway/server/monitoring.py", "path=self._metrics_dir)", "path=_of_one(self._metrics_dir))"),
         Edit("gateway/server/monitoring.py", "class Monitoring:", _OF_ONE_WORKER + "class Monitoring:"))),
    Bug(13, "a client's path is a label", f"{_METRICS}::test_no_label_is_made_by_a_client",
        (Edit("gateway/server/app.py", 'return "other", _refuse_route', "return path, _refuse_route"),)),
    Bug(14, "the scope of every request is kept",
        "tests/pains/test_memory.py::test_requests_that_end_in_nothing_leave_no_memory_taken_in_the_workers",
        (Edit("gateway/server/app.py", "        begun = time.perf_counter()\n",
              '        begun = time.perf_counter()\n        self.__dict__.setdefault("kept", []).append(scope)\n'),)),
    Bug(15, "an id is enough to read a job",
        "tests/e2e/test_ownership.py::test_a_stranger_is_told_of_it_what_one_is_told_of_nothing",
        (Edit("gateway/server/poll.py", "if reservation is None or reservation.tenant != principal.tenant.id:",
              "if reservation is None:"),)),
    Bug(15, "a client's key stands in the log",
        f"{_BORDERS}::test_a_key_that_a_client_writes_where_none_belongs_is_not_in_the_log",
        (Edit("gateway/server/tally.py", "_without_keys(msgspec.json.encode(line))", "msgspec.json.encode(line)"),)),
)  # fmt: skip


def planted(bug: Bug, folder: Path) -> None:
    """Copy the repository's files into a folder, with a bug in them. Raises LookupError where it has no place."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for edit in bug.edits:
        file = folder / edit.file
        file.write_text(replaced(file.read_text("utf-8"), edit), "utf-8")


def replaced(text: str, edit: Edit) -> str:
    """Write a text with an edit in it. Raises LookupError where it has no place."""
    if edit.old not in text:
        raise LookupError(f"{edit.file} has no {edit.old!r} any more: plant the bug where its protection stands now")
    return text.replace(edit.old, edit.new)


def turns_red(bug: Bug) -> bool:
    """Tell whether the bug's test fails on a copy with the bug in it. Raises RuntimeError if it cannot be run."""
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        planted(bug, Path(folder))
        words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", bug.test]
        environ = os.environ | {"PYTHONPATH": folder}  # the copy is before everything else that could be imported
        done = subprocess.run(words, cwd=folder, env=environ, capture_output=True, timeout=SECONDS, check=False)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"{bug.name}: the test did not run:\n{done.stdout.decode()[-3000:]}")
        return done.returncode == 1


def judged(bug: Bug) -> str:
    """Say whether a bug is caught: its test is green without the bug, and red with it."""
    if turns_red(bug._replace(edits=())):
        return "PROVES NOTHING: red without it,"
    return "caught by" if turns_red(bug) else "LIVES, against"


def main() -> int:
    """Plant every bug, or those of the pains that are named."""
    asked = {int(word) for word in sys.argv[1:]}
    caught = True
    for bug in BUGS:
        if not asked or bug.pain in asked:
            verdict = judged(bug)
            caught = caught and verdict == "caught by"
            print(f"{bug.pain:2} {bug.name:50} {verdict} {bug.test}", flush=True)
    return 0 if caught else 1


if __name__ == "__main__":
    sys.exit(main())
