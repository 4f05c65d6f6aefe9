"""docs/policies.md: what a newcomer pastes and types in five minutes works as it stands."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.domain.limit import LimitKind
from gateway.policy import load_policy
from gateway.policy.keys import digest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "policies.md").read_text(encoding="utf-8")
GUIDE = TEXT.split("\n## A tenant with a budget")[1].split("\n## ")[0]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def test_the_five_minutes_lead_to_a_tenant_with_a_budget_a_team_and_two_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    monkeypatch.chdir(tmp_path)
    studio = Path("policies/tenants/studio.toml")
    tenant, key_limit = blocks("toml")
    studio.write_text(tenant)
    secrets = []
    for line in blocks("sh")[0].splitlines():
        assert main(shlex.split(line)[1:]) == 0
        secrets.append(capsys.readouterr().out.split("\n")[0])
    studio.write_text(studio.read_text() + "\n" + key_limit)
    assert main(["check"]) == 0
    assert capsys.readouterr().err == ""
    policy = load_policy(Path("policies"))
    web, trial = (policy.keyring[digest(secret)] for secret in secrets)
    assert (web.tenant.chain, web.key, trial.key) == (("studio-design", "studio"), "web", "trial")
    assert [(limit.id, limit.amount) for limit in web.limits if limit.kind is not LimitKind.CONCURRENCY][:2] == [
        ("daily", 5 * 10**8),
        ("budget-month", 50 * 10**8),
    ]
    assert trial.limits[0].amount == 2 * 10**8
    assert trial.expires_us is not None


def test_every_command_of_the_guide_exists(capsys: pytest.CaptureFixture[str]) -> None:
    commands = set(re.findall(r"gateway ((?:keys|policy) \w+|check)", TEXT))
    assert {"keys new", "keys rotate", "policy diff", "policy replay", "policy enact", "check"} <= commands
    for command in commands:
        with pytest.raises(SystemExit) as ended:
            main([*command.split(), "--help"])
        assert ended.value.code == 0


def test_the_readme_leads_here() -> None:
    assert "(docs/policies.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
