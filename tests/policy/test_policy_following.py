"""A changed folder is told once, as a policy or as its problems."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.policy import Policy, PolicyInvalid, follow_policy, load_policy

ACCOUNT = '[[account]]\nid = "up"\n[[account.key]]\nid = "main"\nsecret_env = "KEY"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "accounts.toml").write_text(ACCOUNT)
    return tmp_path


def follow(folder: Path) -> AsyncIterator[Policy | PolicyInvalid]:
    return follow_policy(lambda: load_policy(folder), folder, load_policy(folder).version)


async def next_of(changes: AsyncIterator[Policy | PolicyInvalid]) -> Policy | PolicyInvalid:
    return await asyncio.wait_for(anext(changes), 5)


async def test_a_new_file_is_a_new_policy(folder: Path) -> None:
    changes = follow(folder)
    waiting = asyncio.ensure_future(next_of(changes))
    await asyncio.sleep(0)
    (folder / "tenants.toml").write_text('[[tenant]]\nid = "acme"\n')
    found = await waiting
    assert isinstance(found, Policy)
    assert set(found.tenants) == {"acme"}


async def test_an_invalid_change_is_told_and_its_mending_too(folder: Path) -> None:
    changes = follow(folder)
    waiting = asyncio.ensure_future(next_of(changes))
    await asyncio.sleep(0)
    (folder / "accounts.toml").write_text("[[account]]\n")
    assert isinstance(await waiting, PolicyInvalid)
    (folder / "accounts.toml").write_text(ACCOUNT)
    assert isinstance(await next_of(changes), Policy)


async def test_the_swap_of_a_link_is_a_change(tmp_path: Path) -> None:
    """As Kubernetes does it: the files are links into a hidden folder, to which a link is swapped."""
    for name, text in (("one", ACCOUNT), ("two", ACCOUNT + '[[tenant]]\nid = "acme"\n')):
        (tmp_path / f".{name}").mkdir()
        (tmp_path / f".{name}" / "all.toml").write_text(text)
    (tmp_path / ".data").symlink_to(".one")
    (tmp_path / "all.toml").symlink_to(".data/all.toml")
    changes = follow(tmp_path)
    waiting = asyncio.ensure_future(next_of(changes))
    await asyncio.sleep(0)
    (tmp_path / ".next").symlink_to(".two")
    (tmp_path / ".next").rename(tmp_path / ".data")
    found = await waiting
    assert isinstance(found, Policy)
    assert set(found.tenants) == {"acme"}


async def test_a_touched_file_is_no_change(folder: Path) -> None:
    changes = follow(folder)
    waiting = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0)
    (folder / "accounts.toml").touch()
    (folder / "more.toml").write_text("# nothing\n")
    (folder / "tenants.toml").write_text('[[tenant]]\nid = "acme"\n')
    found = await asyncio.wait_for(waiting, 5)
    assert isinstance(found, Policy)
    assert set(found.tenants) == {"acme"}  # the first that is told is the one that says something new
