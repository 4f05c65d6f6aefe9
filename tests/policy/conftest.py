from pathlib import Path

import pytest
from policy_texts import ACCOUNT, Load

from gateway.policy import Policy, load_policy


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is given, as an operator gives it, relative to the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("policies").mkdir()
    return Path("policies")


@pytest.fixture
def load(folder: Path) -> Load:
    """Load texts as a folder: each is a file, beside one good account unless a text has one."""

    def load_texts(*texts: str) -> Policy:
        for position, text in enumerate(texts):
            (folder / f"{position}.toml").write_text(text)
        if not any("[[account]]" in text for text in texts):
            (folder / "accounts.toml").write_text(ACCOUNT)
        return load_policy(folder)

    return load_texts
