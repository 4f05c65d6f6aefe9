"""`gateway keys`: made, listed, rotated and revoked, on a folder of its own."""

import json
import os
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.policy import Principal, load_policy
from gateway.policy.keys import digest

Run = Callable[..., tuple[int, str, str]]
ACCOUNT = '[[account]]\nid = "eachlabs"\nkey = [{ id = "main", secret_env = "K" }]\n'
WEB = f'[[tenant.key]]\nid = "web"\nsha256 = "{"11" * 32}"\n'
DAY = timedelta(days=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "all.toml").write_text(f'{ACCOUNT}[[tenant]]\nid = "acme"\n{WEB}')
    return tmp_path


@pytest.fixture
def keys(gateway: Run, folder: Path) -> Run:
    return lambda *words: gateway("keys", *words, "--policies", str(folder))


def key_of(folder: Path, key: str) -> Principal:
    (found,) = [each for each in load_policy(folder).keyring.values() if each.key == key]
    return found


def test_a_new_key_is_written_where_it_is_asked_for(keys: Run, folder: Path) -> None:
    status, out, _ = keys("new", "acme", "--id", "app", "--write")
    secret = out.split("\n")[0]
    assert status == 0
    assert load_policy(folder).keyring[digest(secret)].key == "app"
    assert '+id = "app"' in out


def test_a_key_to_paste_into_a_tenant_that_is_not_there_is_noted(keys: Run) -> None:
    status, out, err = keys("new", "acmee")
    assert (status, out.startswith("elg_")) == (0, True)
    assert "has no tenant 'acmee' yet (did you mean 'acme'?)" in err


def test_a_rotated_key_works_on_for_the_overlap(keys: Run, folder: Path) -> None:
    status, out, _ = keys("rotate", "acme", "web", "--overlap", "12h")
    assert status == 0
    policy = load_policy(folder)
    secret, today = out.split("\n")[0], datetime.now(UTC)
    assert policy.keyring[digest(secret)].key.startswith("web-20")
    left = datetime.fromtimestamp(key_of(folder, "web").expires_us / 1e6, UTC) - today
    assert timedelta(hours=11) < left <= timedelta(hours=12)


def test_a_key_can_be_rotated_twice_a_day_and_its_date_is_not_piled_up(keys: Run, folder: Path) -> None:
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert keys("rotate", "acme", "web")[0] == 0
    assert keys("rotate", "acme", f"web-{today}")[0] == 0
    assert {each.key for each in load_policy(folder).keyring.values()} == {"web", f"web-{today}", f"web-{today}-2"}


def test_rotation_never_prolongs_a_key_and_asks_for_the_expiry_of_the_new_one(keys: Run, folder: Path) -> None:
    soon = (datetime.now(UTC) + DAY).replace(microsecond=0)
    (folder / "all.toml").write_text((folder / "all.toml").read_text() + f"expires = {soon.isoformat()}\n")
    status, out, err = keys("rotate", "acme", "web")
    assert (status, out, "--expires" in err) == (1, "", True)
    assert keys("rotate", "acme", "web", "--id", "next", "--expires", "never")[0] == 0
    assert key_of(folder, "web").expires_us == int(soon.timestamp()) * 10**6
    assert key_of(folder, "next").expires_us is None


def test_a_revoked_key_is_not_rotated(keys: Run, folder: Path) -> None:
    assert keys("revoke", "acme", "web")[0] == 0
    status, out, err = keys("rotate", "acme", "web")
    assert (status, out, "opens nothing" in err) == (1, "", True)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("revoke", "acme", "nope"), "has no key 'nope'"),
        (("rotate", "acme", "nope"), "no key 'nope'"),
        (("rotate", "acme", "web", "--overlap", "soon"), "not a span of time"),
        (("new", "acme", "--expires", "2020-01-01"), "is past"),
        (("new", "Acme Inc."), "cannot be a tenant"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(
    words: tuple[str, ...], reason: str, keys: Run, folder: Path
) -> None:
    before = (folder / "all.toml").read_text()
    status, out, err = keys(*words)
    assert (status, out, reason in err) == (1, "", True)
    assert (folder / "all.toml").read_text() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_mounted_read_only_is_told(keys: Run, folder: Path) -> None:
    folder.chmod(0o500)
    status, out, err = keys("revoke", "acme", "web")
    folder.chmod(0o700)
    assert (status, out, "cannot be changed" in err) == (1, "", True)


def test_keys_are_listed_with_what_becomes_of_them(gateway: Run, folder: Path, data_dir: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    rows = {
        "old": (now - DAY, ""),
        "soon": (now + DAY, ""),
        "late": (now + 99 * DAY, ""),
        "shut": (None, "revoked = true"),
    }
    keys = "".join(
        f'[[tenant.key]]\nid = "{name}"\nsha256 = "{place:02}{"1" * 62}"\n{more}\n'
        + (f"expires = {expires.isoformat()}\n" if expires else "")
        for place, (name, (expires, more)) in enumerate(rows.items())
    )
    (folder / "all.toml").write_text((folder / "all.toml").read_text() + keys)
    status, out, err = gateway("keys", "list", "--policies", str(folder), "--data-dir", str(data_dir), "--json")
    listed = {row["key"]: row for row in json.loads(out)}
    assert (status, err) == (0, "")
    assert {key: row["status"] for key, row in listed.items()} == {
        "web": "works",
        "old": "expired",
        "soon": "expires soon",
        "late": "works",
        "shut": "revoked",
    }
    assert datetime.fromisoformat(listed["soon"]["expires"]) == now + DAY
    assert datetime.fromisoformat(listed["web"]["last_use"]) <= datetime.now(UTC)  # the ledger knows acme/web
    assert listed["old"]["last_use"] is None


def test_a_list_without_a_ledger_says_so_and_can_be_of_one_tenant(gateway: Run, folder: Path, tmp_path: Path) -> None:
    words = ["--policies", str(folder), "--data-dir", str(tmp_path / "nowhere")]
    status, out, err = gateway("keys", "list", "acme", *words)
    assert (status, "last uses are not known" in err) == (0, True)
    assert out.splitlines()[1].split() == ["acme", "web", "works", "-", "-"]
    assert len(gateway("keys", "list", "other", *words)[1].splitlines()) == 1


def test_the_lines_to_paste_are_toml(keys: Run) -> None:
    _, out, _ = keys("new", "acme", "--id", "app", "--expires", "2030-02-01")
    assert tomllib.loads(out.partition("\n")[2])["tenant"]["key"][0]["id"] == "app"
