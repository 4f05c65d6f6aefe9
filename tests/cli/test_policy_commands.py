"""`gateway check`, `quote` and `keys`."""

import argparse
import hashlib
import io
import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.policy.keys import well_formed
from gateway.settings import TABLE, SettingInvalid, read_settings

Run = Callable[..., tuple[int, str, str]]
KLEIN = "flux-2-klein-4b-base-edit"
INPUT = '{"prompt": "x", "image_urls": ["https://example.com/a.jpg"]}'


def test_check_passes_the_shipped_policies(gateway: Run) -> None:
    status, out, _ = gateway("check")
    assert (status, "3 tenants" in out) == (0, True)


def test_check_tells_each_problem_in_a_line_with_its_place(gateway: Run, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('[[tenant]]\nid = "a"\nparrent = "b"\n[[tenant]]\nid = "b"\nweight = 0\n')
    status, _, err = gateway("check", "--policies", str(tmp_path))
    assert status == 1
    assert any('a.toml:3:1: tenant "a"' in line and "parent" in line for line in err.splitlines())
    assert any('tenant "b"' in line for line in err.splitlines())


def test_check_and_quote_tell_of_a_price_that_is_to_be_confirmed(gateway: Run, tmp_path: Path) -> None:
    model = 'slug = "m"\nsource = "its page"\nprice_confirmed = false\nprice = { kind = "fixed", usd = "1" }\n'
    account = 'id = "a"\nkey = [{ id = "k", secret_env = "K" }]\n'
    (tmp_path / "a.toml").write_text(f"[[account]]\n{account}[[model]]\n{model}")
    status, out, _ = gateway("check", "--policies", str(tmp_path))
    assert (status, "m is refused: compare its price with its page" in out) == (0, True)
    status, out, err = gateway("quote", "m", "--input", "{}", "--policies", str(tmp_path))
    assert (status, out, "nobody has confirmed" in err) == (1, "", True)


def test_a_quote_is_printed_for_people_and_as_json(gateway: Run) -> None:
    _, text, _ = gateway("quote", KLEIN, "--input", INPUT)
    assert "estimate 0.014 USD, hold 0.017 USD" in text
    _, shown, _ = gateway("quote", KLEIN, "--input", INPUT, "--json")
    assert (json.loads(shown)["estimate_usd"], json.loads(shown)["hold_usd"]) == ("0.014", "0.017")


def test_the_input_of_a_quote_comes_from_a_file_or_standard_input(
    gateway: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "input.json").write_text(INPUT)
    assert gateway("quote", KLEIN, "--input", f"@{tmp_path}/input.json")[0] == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(INPUT))
    assert gateway("quote", KLEIN, "--input", "-")[0] == 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((KLEIN, "--input", "{}"), "prompt"),
        ((KLEIN, "--input", "[]"), "JSON object"),
        ((KLEIN, "--input", "{"), "not valid JSON"),
        ((KLEIN, "--input", "[" * 100_000), "not valid JSON"),
        ((KLEIN, "--input", '{"prompt": NaN}'), "not valid JSON"),
        ((KLEIN, "--input", '{"num_images": 1, "num_images": 4}'), "'num_images' stands twice"),
        ((KLEIN, "--input", "@/nowhere"), "nowhere"),
        (("no-such-model", "--input", "{}"), "known:"),
    ],
)
def test_a_quote_that_cannot_be_made_says_why(gateway: Run, words: tuple[str, ...], reason: str) -> None:
    status, out, err = gateway("quote", *words)
    assert (status, out, reason in err) == (1, "", True)


def test_a_new_key_is_shown_once_with_the_toml_of_its_digest(gateway: Run) -> None:
    status, out, _ = gateway("keys", "new", "acme", "--id", "web", "--expires", "2027-02-01")
    secret, _, toml = out.partition("\n")
    (entry,) = tomllib.loads(toml)["tenant"]["key"]
    assert status == 0
    assert well_formed(secret)
    assert (entry["id"], entry["sha256"]) == ("web", hashlib.sha256(secret.encode()).hexdigest())
    assert entry["expires"].isoformat() == "2027-02-01T00:00:00+00:00"
    assert secret not in toml


def test_a_flag_beats_a_variable_and_a_variable_the_default() -> None:
    class Flags:
        workers = "3"

    settings = read_settings(Flags(), {"GATEWAY_WORKERS": "2", "GATEWAY_DATA_DIR": "/x"})  # type: ignore[arg-type]
    assert (settings.workers, str(settings.data_dir), settings.listen.port) == (3, "/x", 8080)


@pytest.mark.parametrize("name", ["GATEWAY_WORKERS", "GATEWAY_LISTEN", "GATEWAY_SANDBOX", "GATEWAY_PUBLIC_URL"])
def test_a_wrong_setting_is_named(name: str) -> None:
    with pytest.raises(SettingInvalid, match=name):
        read_settings(object(), {name: "wrong?"})  # type: ignore[arg-type]


def test_every_setting_has_a_flag_and_a_variable_of_one_name() -> None:
    for setting in TABLE:
        assert setting.variable == "GATEWAY_" + setting.name.upper()


def test_private_destinations_are_host_and_port_each_and_none_by_default() -> None:
    flags = argparse.Namespace()
    assert read_settings(flags, {}).private_destinations is None
    flags.private_destinations = "hooks.internal:443, [::1]:9000,127.0.0.1:9000"
    assert read_settings(flags, {}).private_destinations == ("hooks.internal:443", "[::1]:9000", "127.0.0.1:9000")
    for wrong in ("hooks.internal", "127.0.0.1:", "::1:9000", "127.0.0.1:0", "https://hooks.internal:443"):
        flags.private_destinations = wrong
        with pytest.raises(SettingInvalid, match=r"--private-destinations: .* write host:port"):
            read_settings(flags, {})


def test_check_warns_of_what_was_surely_not_meant_and_passes(gateway: Run, tmp_path: Path) -> None:
    account = '[[account]]\nid = "up"\nkey = [{ id = "main", secret_env = "K" }]\n'
    (tmp_path / "a.toml").write_text(account + '[[tenant]]\nid = "a"\nmodels = ["nothing-*"]\n')
    status, out, err = gateway("check", "--policies", str(tmp_path))
    assert (status, "1 tenants" in out) == (0, True)
    assert err == (
        f"warning: {tmp_path}/a.toml:6:11: tenant \"a\", field models: 'nothing-*' matches no model of the policy\n"
    )
