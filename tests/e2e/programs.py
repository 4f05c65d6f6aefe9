"""The programs under test, started and stopped as an operator starts and stops them."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

UPSTREAM_SECRET = "upstream-secret-of-the-operator"
START_SECONDS = 90
STOP_SECONDS = 40
COMMAND_SECONDS = 90


class Program:
    """One command of the gateway as a process; its standard error goes to a file."""

    def __init__(self, words: Sequence[str], log: Path) -> None:
        self.words, self.log = list(words), log
        with log.open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=environ(),
                bufsize=0,
            )
        try:
            self.ready = self._ready_line()
        except BaseException:
            self.kill()
            raise

    def _ready_line(self) -> list[str]:
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
        line = self.process.stdout.readline().decode() if readable else ""
        assert line.startswith("ready "), f"{self.words} is not ready but says {line!r}:\n{self.said()}"
        return line.split()

    def said(self) -> str:
        """What it wrote to standard error."""
        return self.log.read_text("utf-8")

    def logged(self) -> list[dict[str, object]]:
        """The lines of its log."""
        return [json.loads(line) for line in self.said().splitlines()]

    def terminate(self) -> None:
        self.process.terminate()

    def ended(self) -> None:
        """Wait for its end after `terminate`: it exits 0, and no process of its family is left."""
        try:
            status: int | str = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            family = [command[:90] for _, parent, command in _processes() if parent == self.process.pid]
            status = f"not in {STOP_SECONDS} s, with the children {family}"
        self.kill()
        assert status == 0, f"{self.words} exits {status}:\n{self.said()[-4000:]}"

    def stop(self) -> None:
        """End it by SIGTERM."""
        family = self.family()
        self.terminate()
        self.ended()
        assert not living(family), f"{self.words} left children behind"

    def kill(self) -> None:
        """End it and all its children by SIGKILL."""
        for pid in [*self.family(), self.process.pid] if self.process.returncode is None else ():
            try:
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def family(self, word: str = "") -> list[int]:
        """The living children whose command has that word in it."""
        return [pid for pid, parent, command in _processes() if parent == self.process.pid and word in command]


class Sandbox(Program):
    """The simulated upstream."""

    def __init__(self, log: Path, *, seconds: float, creates_per_minute: int, concurrent: int) -> None:
        flags = {"seconds": seconds, "creates-per-minute": creates_per_minute, "concurrent": concurrent}
        words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
        super().__init__(["sandbox", "--listen", "127.0.0.1:0", *words], log)

    @property
    def url(self) -> str:
        return self.ready[1]


class Gateway(Program):
    """The gateway on a data directory, with its workers and its store; `secrets` is tenant → secret of its key."""

    def __init__(self, words: Sequence[str], log: Path, secrets: Mapping[str, str]) -> None:
        self.secrets = secrets
        super().__init__(["serve", *words], log)

    @property
    def url(self) -> str:
        return self.ready[1]

    @property
    def metrics_url(self) -> str:
        return self.ready[3]

    @property
    def workers(self) -> list[int]:
        return self.family("gateway worker")

    @property
    def store(self) -> int:
        (pid,) = self.family("valkey-server")
        return pid

    def verify_ledger(self) -> None:
        """Recompute every counter of the running ledger from its journal, by the operator's own command."""
        self.command("ledger", "verify")

    def command(self, *words: str, status: int = 0) -> str:
        """Run an operator's command on its ledger and policies; gives what that says."""
        done = run(*words, *self.places)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    @property
    def places(self) -> list[str]:
        """Where its ledger and policies are, as flags of other commands."""
        flags = ("--data-dir", "--policies", "--redis-url")
        return [word for flag in flags if flag in self.words for word in (flag, self.value(flag))]

    def value(self, flag: str) -> str:
        """What it was started with."""
        return self.words[self.words.index(flag) + 1]

    def again(self) -> "Gateway":
        """Start it once more, on the same data directory."""
        return Gateway(self.words[1:], self.log, self.secrets)


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of the gateway to its end."""
    command = [sys.executable, "-m", "gateway", *words]
    return subprocess.run(command, env=environ(), capture_output=True, text=True, timeout=COMMAND_SECONDS)


def living(pids: Sequence[int]) -> list[int]:
    """Those of the processes that still run."""
    return [pid for pid, _, _ in _processes() if pid in pids]


def _processes() -> list[tuple[int, int, str]]:
    """Every process that has not ended: its id, its parent's, its command."""
    words = ["ps", "-axwwo", "pid=,ppid=,state=,args="]
    listed = subprocess.run(words, capture_output=True, text=True, check=True, timeout=10).stdout
    rows = [line.split(None, 3) for line in listed.splitlines()]
    return [(int(row[0]), int(row[1]), row[3]) for row in rows if len(row) == 4 and not row[2].startswith("Z")]


def environ() -> dict[str, str]:
    """What this process was given, without the settings of another gateway."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return kept | {"EACHLABS_API_KEY": UPSTREAM_SECRET, "PYTHONWARNINGS": "default"}
