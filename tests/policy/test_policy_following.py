"""A changed folder is told once, as a policy or as its problems."""

import os
import time
from pathlib import Path
from shutil import move

import pytest

from gateway.policy import FolderWatch, Policy, PolicyInvalid, load_policy

ACCOUNT = '[[account]]\nid = "up"\n[[account.key]]\nid = "main"\nsecret_env = "KEY"\n'
ACME = '[[tenant]]\nid = "acme"\n'
BORE = '[[tenant]]\nid = "bore"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "accounts.toml").write_text(ACCOUNT)
    return tmp_path


class Reads:
    """A watch that counts how often its folder was read."""

    def __init__(self, folder: Path) -> None:
        self.count = 0
        self.watch = FolderWatch(lambda: self._load(folder), folder, load_policy(folder).version)

    def _load(self, folder: Path) -> Policy:
        self.count += 1
        return load_policy(folder)


@pytest.fixture
def reads(folder: Path) -> Reads:
    return Reads(folder)


async def tenants(watch: FolderWatch) -> set[str] | None:
    found = await watch.look()
    assert not isinstance(found, PolicyInvalid)
    return None if found is None else set(found.tenants)


def age(folder: Path) -> None:
    """Let every file look as if it had been written long ago."""
    for number, path in enumerate(folder.rglob("*.toml")):
        os.utime(path, (number, number))


async def test_a_new_file_is_a_new_policy_and_told_once(folder: Path, reads: Reads) -> None:
    assert await tenants(reads.watch) is None
    (folder / "tenants.toml").write_text(ACME)
    assert await tenants(reads.watch) == {"acme"}
    assert await tenants(reads.watch) is None


async def test_an_invalid_change_is_told_once_and_its_mending_too(folder: Path, reads: Reads) -> None:
    (folder / "accounts.toml").write_text("[[account]]\n")
    assert isinstance(await reads.watch.look(), PolicyInvalid)
    assert await reads.watch.look() is None
    (folder / "accounts.toml").write_text("[[account]]\nid = 5\n")
    assert isinstance(await reads.watch.look(), PolicyInvalid)  # another problem
    (folder / "accounts.toml").write_text(ACCOUNT)
    assert await tenants(reads.watch) == set()  # though it is what was in force before


async def test_a_touched_or_renamed_file_or_a_comment_is_no_change(folder: Path, reads: Reads) -> None:
    (folder / "accounts.toml").rename(folder / "upstream.toml")
    (folder / "more.toml").write_text("# nothing\n")
    assert await tenants(reads.watch) is None
    assert reads.count == 1


async def test_a_folder_at_rest_is_looked_at_and_not_read(folder: Path, reads: Reads) -> None:
    age(folder)
    for _ in range(5):
        assert await reads.watch.look() is None
    assert reads.count == 1


async def test_a_change_within_one_tick_of_the_file_systems_clock_is_seen(folder: Path, reads: Reads) -> None:
    path = folder / "tenants.toml"
    path.write_text(ACME)
    now = time.time_ns()
    os.utime(path, ns=(now, now))
    assert await tenants(reads.watch) == {"acme"}
    path.write_text(BORE)  # as long as before
    os.utime(path, ns=(now, now))  # and, as the file system tells, of the same time
    assert await tenants(reads.watch) == {"bore"}


async def test_the_swap_of_a_link_is_a_change(tmp_path: Path) -> None:
    """As Kubernetes does it: the files are links into a hidden folder, to which a link is swapped."""
    for name, text in (("one", ACCOUNT), ("two", ACCOUNT + ACME)):
        (tmp_path / f"..{name}" / "deep").mkdir(parents=True)
        (tmp_path / f"..{name}" / "deep" / "all.toml").write_text(text)
    (tmp_path / "..data").symlink_to("..one")
    (tmp_path / "deep").symlink_to("..data/deep")
    age(tmp_path)
    watch = Reads(tmp_path).watch
    assert await tenants(watch) is None
    (tmp_path / "..next").symlink_to("..two")
    (tmp_path / "..next").rename(tmp_path / "..data")
    assert await tenants(watch) == {"acme"}
    (tmp_path / "..next").symlink_to("..one")
    (tmp_path / "..next").rename(tmp_path / "..data")
    assert await tenants(watch) == set()


async def test_a_folder_that_changes_while_it_is_read_is_read_again(folder: Path) -> None:
    def load() -> Policy:
        found = load_policy(folder)
        if not (folder / "tenants.toml").exists():
            (folder / "tenants.toml").write_text(ACME)
        return found

    watch = FolderWatch(load, folder, load_policy(folder).version)
    assert await watch.look() is None  # half of it would have been told
    assert await tenants(watch) == {"acme"}


async def test_a_folder_that_is_gone_is_invalid_until_it_is_back(folder: Path, reads: Reads) -> None:
    away = folder.parent / "away"
    move(folder, away)
    assert isinstance(await reads.watch.look(), PolicyInvalid)
    move(away, folder)
    assert await tenants(reads.watch) == set()
