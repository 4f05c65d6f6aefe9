from pathlib import Path

import pytest
from policy_texts import ACCOUNT, Load

from gateway.policy import PolicyInvalid, load_policy

ROOT = Path(__file__).parents[2]
TENANT_A = '[[tenant]]\nid = "a"\nweight = 2\n[[tenant.limit]]\nkind = "concurrency"\nmax = 1\n'
TENANT_B = f'[[tenant]]\nid = "b"\n[[tenant.key]]\nid = "k"\nsha256 = "{"22" * 32}"\nexpires = 2027-02-01T00:00:00Z\n'
MODEL = '[[model]]\nslug = "m"\n'


def problems(folder: Path) -> list[str]:
    with pytest.raises(PolicyInvalid) as caught:
        load_policy(folder)
    return [str(problem) for problem in caught.value.problems]


def test_the_shipped_policies_load() -> None:
    policy = load_policy(ROOT / "policies")
    assert set(policy.accounts) == {"eachlabs"}
    assert set(policy.tenants) == {"demo", "acme-group", "acme"}
    assert policy.tenants["acme"].allows("flux-2-klein-4b-base-edit")


def test_no_shipped_policy_has_a_key_that_opens_a_gateway() -> None:
    assert not load_policy(ROOT / "policies").keyring


def test_the_version_is_of_the_content_and_not_of_its_place(load: Load, tmp_path: Path) -> None:
    one = load(ACCOUNT + TENANT_A + TENANT_B + MODEL)
    deep = tmp_path / "other" / "deep"
    deep.mkdir(parents=True)
    (deep / "z.toml").write_text(TENANT_A + "\n# a comment\n" + ACCOUNT)
    (deep.parent / "a.toml").write_text(MODEL + TENANT_B)
    other = load_policy(tmp_path / "other")
    assert other.version == one.version
    assert len(one.version) == 64
    assert (dict(other.tenants), dict(other.keyring)) == (dict(one.tenants), dict(one.keyring))


@pytest.mark.parametrize(("old", "new"), [("weight = 2", "weight = 3"), ("2027", "2028"), ('"m"', '"n"')])
def test_another_content_is_another_version(old: str, new: str, load: Load) -> None:
    text = ACCOUNT + TENANT_A + TENANT_B + MODEL
    assert load(text).version != load(text.replace(old, new)).version


def test_a_policy_cannot_be_changed_where_it_lies(load: Load) -> None:
    policy = load(TENANT_A)
    for mapping in (policy.accounts, policy.tenants, policy.models, policy.keyring):
        with pytest.raises(TypeError):
            mapping["x"] = None  # type: ignore[index]


def test_hidden_files_and_folders_are_not_read(folder: Path, load: Load) -> None:
    (folder / "..2026_01_01").mkdir()
    (folder / "..2026_01_01" / "tenants.toml").write_text(TENANT_A)
    (folder / "tenants.toml").symlink_to(Path("..2026_01_01") / "tenants.toml")
    (folder / ".#tenants.toml").symlink_to("nowhere")
    assert set(load().tenants) == {"a"}


def test_a_byte_order_mark_is_no_problem(folder: Path, load: Load) -> None:
    (folder / "tenants.toml").write_bytes(b"\xef\xbb\xbf" + TENANT_A.replace("\n", "\r\n").encode())
    assert set(load().tenants) == {"a"}


def test_a_missing_folder_is_told() -> None:
    assert problems(Path("no/such")) == ["no/such: is not a folder; policies are a folder of TOML files"]


def test_an_empty_folder_is_told(folder: Path) -> None:
    assert problems(folder) == ["policies: holds no *.toml file; a policy needs at least one [[account]]"]


def test_a_folder_without_an_account_is_told(folder: Path) -> None:
    (folder / "a.toml").write_text(TENANT_A)
    assert problems(folder) == ["policies: has no [[account]]; a policy needs at least one"]


def test_a_file_that_is_not_text_is_told(folder: Path) -> None:
    (folder / "a.toml").write_bytes(b'id = "\xff"')
    assert problems(folder) == ["policies/a.toml: is not UTF-8 (byte 6)"]


@pytest.mark.parametrize(
    ("text", "place"), [("id = ", "1:5"), ("[[tenant]]\nid = [\n  1,\n\n", "3:5"), ("a = 1\na = 2", "2:6")]
)
def test_a_file_that_is_not_toml_is_told_with_line_and_column(text: str, place: str, folder: Path) -> None:
    (folder / "a.toml").write_text(text)
    (found,) = problems(folder)
    assert found.startswith(f"policies/a.toml:{place}: is not TOML: ")
    assert "(at " not in found


def test_nobody_is_blamed_for_a_name_that_may_be_in_a_file_that_cannot_be_read(folder: Path) -> None:
    (folder / "a.toml").write_text("[[tenant]\nid = 'group'\n")
    (folder / "b.toml").write_text('[[account]]\nid = "up"\nkey = []\n[[tenant]]\nid = "a"\nparent = "group"\n')
    assert [found.split(": ")[0] for found in problems(folder)] == ["policies/a.toml:1:9", "policies/b.toml:1:1"]


def test_links_to_folders_are_followed_but_not_in_circles(folder: Path, load: Load) -> None:
    """As Kubernetes mounts a ConfigMap with folders in it: the visible names are links into a hidden folder."""
    (folder / "..data" / "tenants").mkdir(parents=True)
    (folder / "..data" / "tenants" / "a.toml").write_text(TENANT_A)
    (folder / "tenants").symlink_to(Path("..data") / "tenants")
    (folder / "..data" / "tenants" / "round").symlink_to(folder.resolve())
    assert set(load().tenants) == {"a"}


def test_a_file_that_cannot_be_read_is_told(folder: Path) -> None:
    (folder / "a.toml").symlink_to("nowhere")
    assert problems(folder) == ["policies/a.toml: cannot be read: No such file or directory"]


def test_the_second_of_a_name_points_at_the_first(folder: Path) -> None:
    (folder / "tenants").mkdir()
    (folder / "accounts.toml").write_text(ACCOUNT + TENANT_A)
    (folder / "tenants" / "a.toml").write_text(TENANT_A)
    expected = (
        'policies/tenants/a.toml:1:1: tenant "a": is a second tenant of that id; '
        "the first is in policies/accounts.toml:7"
    )
    assert problems(folder) == [expected]


def test_the_problems_of_all_files_are_told_at_once(folder: Path) -> None:
    (folder / "a.toml").write_text('[[tenant]]\nid = "a"\ntimezone = "nowhere"\n')
    (folder / "b.toml").write_text("[[tenant]\n")
    (folder / "c.toml").write_text('[[account]]\nid = "up"\n[[model]]\nslug = 5\n')
    assert [problem.split(":")[0] for problem in problems(folder)] == [
        "policies/a.toml",
        "policies/b.toml",
        "policies/c.toml",
        "policies/c.toml",
    ]


def test_a_broken_account_or_parent_is_told_once_and_not_by_those_who_refer_to_it(folder: Path) -> None:
    (folder / "a.toml").write_text('[[account]]\nid = "up"\ncolour = 1\n')
    (folder / "b.toml").write_text('[[tenant]]\nid = "group"\nweight = 0\n[[tenant]]\nid = "a"\nparent = "group"\n')
    assert [problem.split(",")[0] for problem in problems(folder)] == [
        'policies/a.toml:1:1: account "up": has no [[account.key]]',
        'policies/a.toml:3:1: account "up"',
        'policies/b.toml:3:10: tenant "group"',
    ]
