"""Keys are changed in their file as by hand: comments stay, the result is a policy, or nothing is written."""

from datetime import UTC, datetime
from difflib import ndiff
from pathlib import Path

import pytest
from policy_texts import ACCOUNT

from gateway.policy import PolicyInvalid, load_policy
from gateway.policy.editing import CannotEdit
from gateway.policy.key_edits import Edit, add_key, revoke_key, rotate_key

OLD, NEW = "11" * 32, "22" * 32
UNTIL = datetime(2027, 2, 1, tzinfo=UTC)
TOML = f'[[tenant.key]]\nid = "web-2"\nsha256 = "{NEW}"\n'
FILE = f"""# Tenants of Äcme, in one file.
[[tenant]]
id = "acme"   # the first

[[tenant.key]]
id = "web"                # the shop
sha256 = "{OLD}"  # since spring
[[tenant.key.limit]]      # of its own
kind = "budget"
window = "total"
usd = "50.00"             # half of what it was

# The other one.
[[tenant]]
id = "other"
key = [{{ id = "app", sha256 = "{"33" * 32}" }}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "accounts.toml").write_text(ACCOUNT)
    (tmp_path / "tenants.toml").write_text(FILE)
    return tmp_path


def changed(folder: Path, edit: Edit) -> list[str]:
    """Write an edit that takes no line away, and give the lines that it added."""
    edit.write()
    found = list(ndiff(FILE.splitlines(), (folder / "tenants.toml").read_text().splitlines()))
    assert not [line for line in found if line.startswith("- ")]
    return [line[2:] for line in found if line.startswith("+ ") and line != "+ "]


def test_a_revoked_key_opens_nothing_and_stays_known(folder: Path) -> None:
    assert changed(folder, revoke_key(folder, "acme", "web")) == ["revoked = true"]
    assert load_policy(folder).keyring[bytes.fromhex(OLD)].revoked


def test_a_key_that_says_it_is_not_revoked_is_revoked(folder: Path) -> None:
    (folder / "tenants.toml").write_text(FILE.replace("# since spring", "# since spring\nrevoked = false # yet"))
    revoke_key(folder, "acme", "web").write()
    assert "revoked = true # yet" in (folder / "tenants.toml").read_text()
    assert load_policy(folder).keyring[bytes.fromhex(OLD)].revoked


def test_a_key_in_one_line_is_revoked_in_its_line(folder: Path) -> None:
    revoke_key(folder, "other", "app").write()
    assert f'sha256 = "{"33" * 32}", revoked = true }}]' in (folder / "tenants.toml").read_text()
    assert load_policy(folder).keyring[b"\x33" * 32].revoked


def test_a_rotated_key_has_a_successor_with_its_limits_and_an_end(folder: Path) -> None:
    added = changed(folder, rotate_key(folder, "acme", "web", TOML, UNTIL))
    limits = FILE[FILE.index("[[tenant.key.limit]]") : FILE.index("\n\n# The other")].splitlines()
    assert sorted(added) == sorted(["expires = 2027-02-01T00:00:00Z", *TOML.splitlines(), *limits])
    old, new = (load_policy(folder).keyring[bytes.fromhex(each)] for each in (OLD, NEW))
    assert (old.tenant.id, old.expires_us, new.tenant.id, new.key) == ("acme", 1_801_440_000_000_000, "acme", "web-2")
    assert [limit.amount for limit in new.limits] == [limit.amount for limit in old.limits] == [5_000_000_000]


def test_a_rotated_key_that_had_an_expiry_gets_the_new_one(folder: Path) -> None:
    (folder / "tenants.toml").write_text(FILE.replace("# since spring", "# since spring\nexpires = 2028-01-01"))
    rotate_key(folder, "acme", "web", TOML, UNTIL).write()
    assert load_policy(folder).keyring[bytes.fromhex(OLD)].expires_us == 1_801_440_000_000_000


def test_a_new_key_goes_below_all_that_is_its_tenants(folder: Path) -> None:
    assert changed(folder, add_key(folder, "acme", TOML)) == TOML.splitlines()
    assert load_policy(folder).keyring[bytes.fromhex(NEW)].tenant.id == "acme"


def test_windows_line_ends_a_byte_order_mark_and_the_mode_of_the_file_stay(folder: Path) -> None:
    path = folder / "tenants.toml"
    path.write_bytes(b"\xef\xbb\xbf" + FILE.replace("\n", "\r\n").encode())
    path.chmod(0o640)
    rotate_key(folder, "acme", "web", TOML, UNTIL).write()
    raw = path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf#")
    assert raw.count(b"\n") == raw.count(b"\r\n")
    assert path.stat().st_mode & 0o7777 == 0o640
    assert load_policy(folder).keyring[bytes.fromhex(NEW)].key == "web-2"


def test_a_link_stays_a_link(folder: Path) -> None:
    path = folder / "tenants.toml"
    path.rename(folder / "real.txt")
    path.symlink_to("real.txt")
    revoke_key(folder, "acme", "web").write()
    assert path.is_symlink()
    assert "revoked = true" in (folder / "real.txt").read_text()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda folder: revoke_key(folder, "acmee", "web"), r"no tenant 'acmee'.*did you mean 'acme'"),
        (lambda folder: revoke_key(folder, "acme", "wep"), r"no key 'wep' \(did you mean 'web'\?\); it has web"),
        (lambda folder: add_key(folder, "other", TOML), "does not fit"),
        (lambda folder: rotate_key(folder, "other", "app", TOML, UNTIL), "in one line"),
        (lambda folder: add_key(folder, "acme", TOML.replace("web-2", "web")), "a second key of that id"),
    ],
)
def test_what_cannot_be_changed_is_told_and_nothing_is_written(change, reason: str, folder: Path) -> None:
    with pytest.raises(CannotEdit, match=reason):
        change(folder)
    assert (folder / "tenants.toml").read_text() == FILE


def test_a_folder_that_is_no_policy_is_not_changed(folder: Path) -> None:
    (folder / "more.toml").write_text("[[tenant]]\n")
    with pytest.raises(PolicyInvalid):
        revoke_key(folder, "acme", "web")
