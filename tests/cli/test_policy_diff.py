"""`gateway policy diff`: on folders and revisions, with a ledger and without, for people and for programs."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import SHIPPED

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """The shipped policies with a smaller budget and a new limit on what was already spent."""
    for path in SHIPPED.rglob("*.toml"):
        copy = tmp_path / "new" / path.relative_to(SHIPPED)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    acme = tmp_path / "new" / "tenants" / "acme.toml"
    text = acme.read_text().replace('usd = "5.00"', 'usd = "0.02"').replace("max = 500", "max = 400")
    rolling = '[[tenant.limit]]\nkind = "budget"\nrolling = "24h"\nusd = "0.04"\n'
    acme.write_text(text + '\n[[tenant.limit]]\nkind = "count"\nwindow = "year"\nmax = 2\n' + rolling)
    return tmp_path / "new"


def test_a_diff_tells_what_is_already_used_and_what_happens(gateway: Run, data_dir: Path, new: Path) -> None:
    status, out, err = gateway("policy", "diff", str(SHIPPED), str(new), "--data-dir", str(data_dir))
    assert (status, err) == (2, "")
    assert out.splitlines() == [
        "limit acme/budget-rolling-24h: added: 0.04 USD in any 24h; 0.031 USD already used",
        "limit acme/count-day: 500 creates per day of Europe/Berlin → 400 creates per day of Europe/Berlin; "
        "2 creates already used",
        "limit acme/count-year: added: 2 creates per year of Europe/Berlin; "
        "2 creates already used: creates stop at once",
        "limit acme/daily: 5.00 USD per day of Europe/Berlin → 0.02 USD per day of Europe/Berlin; "
        "0.031 USD already used: creates stop at once",
    ]


def test_the_use_is_in_the_json_too(gateway: Run, data_dir: Path, new: Path) -> None:
    _, out, _ = gateway("policy", "diff", str(SHIPPED), str(new), "--data-dir", str(data_dir), "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert (rows["acme/daily"]["used"], rows["acme/daily"]["held"]) == ("0.014", "0.017")
    assert (rows["acme/count-year"]["used"], rows["acme/count-year"]["effect"][-20:]) == (2, "creates stop at once")


def test_without_a_ledger_no_use_is_told(gateway: Run, new: Path, tmp_path: Path) -> None:
    status, out, err = gateway("policy", "diff", str(SHIPPED), str(new), "--data-dir", str(tmp_path / "none"))
    assert (status, err, "already used" in out) == (2, "", False)


def test_no_change_exits_0_and_what_cannot_be_told_1(gateway: Run, new: Path, tmp_path: Path) -> None:
    none = ("--data-dir", str(tmp_path / "none"))
    assert gateway("policy", "diff", str(SHIPPED), str(SHIPPED), *none) == (0, "no change\n", "")
    assert gateway("policy", "diff", str(SHIPPED), str(SHIPPED), "--json", *none) == (0, "[]\n", "")
    (new / "a.toml").write_text("[[tenant]]\n")
    status, out, err = gateway("policy", "diff", str(SHIPPED), str(new), *none)
    assert (status, out, f"{new}/a.toml:1:1: tenant[0], field id: is missing" in err) == (1, "", True)
    status, out, err = gateway("policy", "diff", "no-such-thing", str(SHIPPED), *none)
    assert (status, out, "neither a folder nor a revision" in err) == (1, "", True)


@pytest.fixture
def repository(new: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of two commits, in which the folder is `policy/live`, and in whose root somebody works."""
    root = new.parent / "repository"

    def git(*words: str) -> None:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)

    (root / "policy").mkdir(parents=True)
    git("init", "--quiet", "--initial-branch=main")
    live = new.rename(root / "policy" / "live")
    git("add", ".")
    git("commit", "--quiet", "--message=one")
    (live / "tenants" / "acme.toml").write_text(
        (live / "tenants" / "acme.toml").read_text().replace('"0.02"', '"0.03"')
    )
    (live / ".hidden.toml").write_text("nonsense")
    git("add", ".")
    git("commit", "--quiet", "--message=two")
    monkeypatch.chdir(root)
    return root


@pytest.mark.parametrize(
    "words", [("HEAD~1", "HEAD"), ("HEAD~1:policy/live", "policy/live"), ("main^", "main:policy/live")]
)
def test_revisions_are_compared_as_folders_are(gateway: Run, repository: Path, words: tuple[str, str]) -> None:
    status, out, err = gateway("policy", "diff", *words, "--policies", "policy/live", "--data-dir", "none")
    assert (status, err) == (2, "")
    assert out == "limit acme/daily: 0.02 USD per day of Europe/Berlin → 0.03 USD per day of Europe/Berlin\n"


def test_a_broken_revision_names_its_files(gateway: Run, repository: Path) -> None:
    (repository / "policy" / "live" / "tenants" / "acme.toml").write_text("[[tenant]]\n")
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qam", "three"], check=True
    )
    status, _, err = gateway("policy", "diff", "HEAD~1", "HEAD", "--policies", "policy/live", "--data-dir", "none")
    assert status == 1
    assert err.startswith("HEAD:policy/live/tenants/acme.toml:1:1: tenant[0], field id: is missing")


def test_what_looks_like_an_option_is_no_revision(gateway: Run, repository: Path) -> None:
    status, _, err = gateway("policy", "diff", "--policies", "policy/live", "--", "--output=x", "HEAD")
    assert (status, "neither a folder nor a revision" in err) == (1, True)
    assert not (repository / "x").exists()
