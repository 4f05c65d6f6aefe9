"""Drafting a model from what a running upstream publishes, by the operator's command."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.house import House
from e2e.policies import Policies
from e2e.programs import Sandbox
from gateway.cli import main

PAGE = Path(__file__).parents[1] / "policy" / "pages" / "flux-2-klein-4b-base-edit.txt"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def upstream(house: House) -> Sandbox:
    return house.sandbox()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    policies = Policies()
    policies.account(unpriced="5.00")
    policies.tenant("acme")
    return policies.write(tmp_path / "policies")


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str) -> tuple[int, str, str]:
        status = main([*words, "--policies", str(folder)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_a_draft_of_upstreams_schema_passes_check_and_is_refused_until_it_is_confirmed(
    run: Run, folder: Path, upstream: Sandbox
) -> None:
    status, out, err = run("models", "add", "nano-banana", "--upstream-url", upstream.url)
    file = folder / "models" / "nano-banana.toml"
    assert (status, err, str(file) in out) == (0, "", True)
    status, out, _ = run("check")
    assert (status, "nano-banana is refused" in out) == (0, True)
    asked = ("quote", "nano-banana", "--input", json.dumps({"prompt": "x", "num_images": 3}))
    assert run(*asked)[0] == 1
    confirmed = file.read_text("utf-8").replace("price_confirmed = false\n", "")
    file.write_text(
        confirmed.replace(
            "[model.input.prompt]", '[model.price]\nkind = "fixed"\nusd = "0.04"\n\n[model.input.prompt]'
        )
    )
    assert run("check")[0] == 0
    status, out, err = run(*asked)
    assert (status, "estimate 0.04 USD" in out) == (0, True), err
    status, _, err = run("quote", "nano-banana", "--input", '{"num_images": 9, "prompt": "x"}')
    assert (status, "num_images must be one of 1, 2, 3, 4" in err) == (1, True)


def test_nothing_is_drafted_of_what_upstream_does_not_know_or_the_policies_have(
    run: Run, folder: Path, upstream: Sandbox, tmp_path: Path
) -> None:
    for words, why in (
        (("no-such-model", "--upstream-url", upstream.url), "knows no model 'no-such-model'"),
        (("flux-2-klein-4b-base-edit", "--upstream-url", upstream.url), "have 'flux-2-klein-4b-base-edit' already"),
        (("nano-banana", "--upstream-url", "http://127.0.0.1:1"), "ConnectError"),
        (("nano-banana", "--page", str(PAGE)), "describes the model 'flux-2-klein-4b-base-edit', not 'nano-banana'"),
        (("nano-banana", "--page", str(tmp_path / "none.txt")), "No such file"),
        (("nano-banana", "--upstream-url", upstream.url, "--output", str(folder / "klein.toml")), "exists already"),
    ):
        before = sorted(folder.rglob("*"))
        status, out, err = run("models", "add", *words)
        assert (status, out, why in err) == (1, "", True), err
        assert sorted(folder.rglob("*")) == before


def test_a_saved_page_needs_no_upstream_and_no_file(run: Run, folder: Path) -> None:
    (folder / "klein.toml").unlink()
    status, out, err = run("models", "add", "flux-2-klein-4b-base-edit", "--page", str(PAGE), "--output", "-")
    assert (status, err) == (0, "")
    (folder / "klein.toml").write_text(out)
    status, out, _ = run("check")
    assert (status, "flux-2-klein-4b-base-edit is refused" in out) == (0, True)
