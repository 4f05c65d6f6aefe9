"""When a worker changes over: with the store, not with the folder; without the store, with the folder."""

from collections.abc import Callable
from pathlib import Path

import pytest
from ledger.bench import SCRIPTS, Bench

from gateway.cli import following
from gateway.cli.following import PolicyFollower
from gateway.ledger.enactment import Enactment, read_in_force
from gateway.ledger.store import Store, connect
from gateway.policy import FolderWatch, Policy, load_policy

ACCOUNT = '[[account]]\nid = "up"\nkey = [{ id = "main", secret_env = "K" }]\n'
Adopted = list[tuple[frozenset[str], dict[str, int]]]


class Worker:
    """A follower of a folder, and what it adopted: the tenants, and the numbers as they are now."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.adopted: Adopted = []
        load: Callable[[], Policy] = lambda: load_policy(folder)  # noqa: E731
        watch = FolderWatch(load, folder, load().version)
        self.follower = PolicyFollower(watch, load(), self._adopt, lambda account: read_in_force(store, account))

    def _adopt(self, policy: Policy, numbers: dict[str, int]) -> None:
        self.adopted.append((frozenset(policy.tenants), numbers))

    async def caught_up(self) -> tuple[set[str], dict[str, int]]:
        """Catch up, and give the tenants and numbers by which it works then."""
        await self.follower.catch_up()
        tenants, numbers = self.adopted[-1]
        return set(tenants), numbers


def write(folder: Path, *tenants: str) -> str:
    """Write a policy, and give its version."""
    (folder / "all.toml").write_text(ACCOUNT + "".join(f'[[tenant]]\nid = "{tenant}"\n' for tenant in tenants))
    return load_policy(folder).version


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PATIENCE_SECONDS", -1)


@pytest.fixture
def parent(bench: Bench) -> Enactment:
    return Enactment(bench.store, SCRIPTS, "up", "this host")


async def test_a_change_is_adopted_when_the_parent_has_put_it_into_force(
    bench: Bench, parent: Enactment, tmp_path: Path
) -> None:
    await parent.ask(write(tmp_path, "a"))
    worker = Worker(tmp_path, bench.store)
    assert await worker.caught_up() == ({"a"}, {"up": 1})
    changed = write(tmp_path, "a", "b")
    assert await worker.caught_up() == ({"a"}, {"up": 1})
    await parent.ask(changed)
    assert await worker.caught_up() == ({"a", "b"}, {"up": 2})
    assert len(worker.adopted) == 2


async def test_where_another_host_is_ahead_the_folder_is_used_without_a_number(
    bench: Bench, parent: Enactment, tmp_path: Path
) -> None:
    await parent.ask(write(tmp_path, "a"))
    worker = Worker(tmp_path, bench.store)
    await worker.caught_up()
    await parent.command("another content")
    assert await worker.caught_up() == ({"a"}, {})
    write(tmp_path, "b")
    assert await worker.caught_up() == ({"b"}, {})
    await parent.command(write(tmp_path, "c"))
    assert await worker.caught_up() == ({"c"}, {"up": 3})


async def test_a_number_that_the_store_gives_anew_is_taken_over_without_a_change(
    bench: Bench, parent: Enactment, tmp_path: Path
) -> None:
    version = write(tmp_path, "a")
    await parent.ask(version)
    worker = Worker(tmp_path, bench.store)
    await worker.caught_up()
    await parent.command("another content")
    await parent.command(version)
    assert await worker.caught_up() == ({"a"}, {"up": 3})
    assert len(worker.adopted) == 1


async def test_with_the_store_away_the_folder_alone_decides(bench: Bench, tmp_path: Path) -> None:
    write(tmp_path, "a")
    away = connect("redis://127.0.0.1:1")
    worker = Worker(tmp_path, away)
    write(tmp_path, "b")
    assert await worker.caught_up() == ({"b"}, {})
    await away.aclose()


async def test_an_invalid_folder_changes_nothing(bench: Bench, parent: Enactment, tmp_path: Path) -> None:
    await parent.ask(write(tmp_path, "a"))
    worker = Worker(tmp_path, bench.store)
    write(tmp_path, "b")
    (tmp_path / "all.toml").write_text("[[tenant]]\n")
    assert await worker.caught_up() == ({"a"}, {"up": 1})
